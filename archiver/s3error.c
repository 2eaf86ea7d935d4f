/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/s3error.h"

#include <string.h>

#include "common/err.h"

/* In the words of AWS, MinIO and versitygw. */
static bool
is_version2_refused(const char *says)
{
	return strstr(says, "AWS4-HMAC-SHA256") != NULL ||
	    strstr(says, "authorization mechanism") != NULL ||
	    strstr(says, "uthorization type") != NULL;
}

/* In MinIO's words; S3 has no code for it. */
bool
s3error_is_full(const char *says)
{
	return strstr(says, "free drive") != NULL ||
	    strstr(says, "free disk") != NULL || strstr(says, "uota") != NULL;
}

static int
other(const struct s3error_place *p, const char *what, const char *says,
    struct err *e)
{
	if (s3error_is_full(says)) {
		err_set(e, ERR_NOSPACE, "%s is full: %s", p->name, says);
		return err_hint(e, "make room on the S3 server, or raise the "
		    "bucket's quota: expire removes what retention gives up; "
		    "meanwhile PostgreSQL keeps its WAL");
	}
	err_set(e, ERR_STORE, "%s: %s: %s", p->name, what, says);
	return err_hint(e, "that was the S3 server's answer, or what came of "
	    "it: look into its log");
}

int
s3error_set(const struct s3error_place *p, enum s3error_kind kind,
    const char *what, const char *says, struct err *e)
{
	int	n = p->repo;

	if (is_version2_refused(says)) {
		err_set(e, ERR_AUTH, "%s: the server refuses signatures of "
		    "version 2: %s", p->name, says);
		return err_hint(e, "repo%d-s3-transport=libs3 can only sign so; "
		    "sigv4 is not supported yet", n);
	}
	switch (kind) {
	case S3ERROR_NO_BUCKET:
		err_set(e, ERR_STORE, "bucket %s does not exist at %s",
		    p->bucket, p->host);
		return err_hint(e, "create it, or correct repo%d-s3-bucket",
		    n);
	case S3ERROR_NO_KEY:
		return err_set(e, ERR_NOT_FOUND, "%s: %s is not there",
		    p->name, what);
	case S3ERROR_REFUSED:
		err_set(e, ERR_AUTH, "%s refuses the credentials: %s", p->name,
		    says);
		return err_hint(e, "check repo%d-s3-key and "
		    "repo%d-s3-key-secret, and that they may list, read, "
		    "write and delete in the bucket", n, n);
	case S3ERROR_SKEWED:
		err_set(e, ERR_CLOCK, "%s: the clocks differ: %s", p->name,
		    says);
		return err_hint(e, "set the clock of this host or of the "
		    "server: compare date -u on both; timedatectl shows "
		    "whether it is synchronised");
	case S3ERROR_NO_NAME:
		err_set(e, ERR_CONNECT, "cannot connect to %s: the name has no "
		    "address", p->host);
		return err_hint(e, "is repo%d-s3-endpoint right, and does DNS "
		    "work (getent hosts)?", n);
	case S3ERROR_NO_CONNECTION:
		err_set(e, ERR_CONNECT, "cannot connect to %s: nobody answers "
		    "there", p->host);
		return err_hint(e, "is the S3 server running, and "
		    "repo%d-s3-endpoint right (host, port)?", n);
	case S3ERROR_OTHER:
		break;
	}
	return other(p, what, says, e);
}
