#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The tests of backup, restore and recovery once more, on an S3 server.

here=$(cd "$(dirname "$0")" && pwd)
STORE=s3 bash "$here/55-backup.sh"
