"""boto3: a bucket, an object of some size up and down, and a listing; it finds HTTPS_PROXY and the CA itself."""

import json
import os

import boto3
from boto3.s3.transfer import TransferConfig
from tests.clients.programs import payload

token = os.environ["PROXY_TOKEN"]
s3 = boto3.client(
    "s3", region_name="eu-west-1", aws_access_key_id=token, aws_secret_access_key="not looked at",
)  # fmt: skip
s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
s3.put_object(Bucket="bucket", Key="small", Body=b"small")
with open("boto3.upload", "wb") as file:
    file.write(payload.CONTENT * 2)
parts = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20, max_concurrency=2)
s3.upload_file("boto3.upload", "bucket", "large", Config=parts)
large = s3.get_object(Bucket="bucket", Key="large")["Body"].read()
keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket="bucket")["Contents"]]
print(json.dumps({"same": large == payload.CONTENT * 2, "keys": keys}))
for key in keys:
    s3.delete_object(Bucket="bucket", Key=key)
s3.delete_bucket(Bucket="bucket")
