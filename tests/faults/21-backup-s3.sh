#!/bin/bash
# SPDX-License-Identifier: MIT
#
# backup on S3: the same points as on a directory.

here=$(cd "$(dirname "$0")" && pwd)
STORE=s3 bash "$here/20-backup.sh"
