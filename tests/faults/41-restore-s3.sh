#!/bin/bash
# SPDX-License-Identifier: MIT
#
# restore from S3: the same points as from a directory.

here=$(cd "$(dirname "$0")" && pwd)
STORE=s3 bash "$here/40-restore.sh"
