-- wrk runs this at its end: the summary as one line of JSON, times in microseconds.
function done(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format(
      '\n{"duration_us":%d,"requests":%d,"bytes":%d,"latency_p50_us":%.1f,"latency_p99_us":%.1f,'
         .. '"failed_connects":%d,"failed_reads":%d,"failed_writes":%d,"bad_statuses":%d,"timeouts":%d}\n',
      summary.duration, summary.requests, summary.bytes, latency:percentile(50), latency:percentile(99),
      errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
