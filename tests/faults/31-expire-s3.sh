#!/bin/bash
# SPDX-License-Identifier: MIT
#
# expire on S3: the same points as on a directory.

here=$(cd "$(dirname "$0")" && pwd)
STORE=s3 bash "$here/30-expire.sh"
