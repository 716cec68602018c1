"""`python -m iron_proxy`."""

from iron_proxy.cli.import_path import secure_import_path

secure_import_path()                             # before anything else can be found in the working directory

from iron_proxy.cli.main import main  # noqa: E402 - for that

main()
