#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Recovery to every kind of target once more, on an S3 server.

here=$(cd "$(dirname "$0")" && pwd)
STORE=s3 bash "$here/56-pitr.sh"
