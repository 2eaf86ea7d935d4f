/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/s3error.h"
#include "tests/unit/unit.h"

#include <string.h>

#include "common/err.h"

static const struct s3error_place place = { 2, "minio:9000", "backups",
    "s3://backups/pg/ at minio:9000" };

START_TEST(kinds)
{
	static const struct {
		enum s3error_kind kind;
		int		  code;
		const char	 *says, *msg, *hint;
	} v[] = {
		{ S3ERROR_NO_BUCKET, ERR_STORE, "",
		    "bucket backups does not exist at minio:9000",
		    "create it, or correct repo2-s3-bucket" },
		{ S3ERROR_NO_KEY, ERR_NOT_FOUND, "",
		    "s3://backups/pg/ at minio:9000: k is not there", "" },
		{ S3ERROR_REFUSED, ERR_AUTH, "Bad key",
		    "s3://backups/pg/ at minio:9000 refuses the credentials: "
		    "Bad key", "check repo2-s3-key and repo2-s3-key-secret" },
		{ S3ERROR_SKEWED, ERR_CLOCK, "RequestTimeTooSkewed",
		    "s3://backups/pg/ at minio:9000: the clocks differ: "
		    "RequestTimeTooSkewed", "compare date -u on both" },
		{ S3ERROR_NO_NAME, ERR_CONNECT, "NameLookupError",
		    "cannot connect to minio:9000: the name has no address",
		    "is repo2-s3-endpoint right, and does DNS work" },
		{ S3ERROR_NO_CONNECTION, ERR_CONNECT, "FailedToConnect",
		    "cannot connect to minio:9000: nobody answers there",
		    "is the S3 server running, and repo2-s3-endpoint right" },
		{ S3ERROR_OTHER, ERR_STORE, "SlowDown",
		    "s3://backups/pg/ at minio:9000: k: SlowDown",
		    "look into its log" },
		{ S3ERROR_OTHER, ERR_NOSPACE, "Bucket quota exceeded",
		    "s3://backups/pg/ at minio:9000 is full: Bucket quota "
		    "exceeded", "raise the bucket's quota" },
		/* Whatever it is called, this is what was meant. */
		{ S3ERROR_REFUSED, ERR_AUTH, "Please use AWS4-HMAC-SHA256.",
		    "s3://backups/pg/ at minio:9000: the server refuses "
		    "signatures of version 2: Please use AWS4-HMAC-SHA256.",
		    "repo2-s3-transport=libs3" },
	};
	struct err	e;
	size_t		i;

	for (i = 0; i < ARRAY_LEN(v); i++) {
		memset(&e, 0, sizeof(e));
		ck_assert_int_eq(s3error_set(&place, v[i].kind, "k", v[i].says,
		    &e), v[i].code);
		ck_assert_str_eq(e.msg, v[i].msg);
		ck_assert_ptr_nonnull(strstr(e.hint, v[i].hint));
	}
}
END_TEST

START_TEST(full)
{
	ck_assert(s3error_is_full("Storage backend has reached its minimum "
	    "free drive threshold. Please delete a few objects to proceed."));
	ck_assert(s3error_is_full("Bucket quota exceeded"));
	ck_assert(!s3error_is_full("SlowDown"));
	ck_assert(!s3error_is_full(""));
}
END_TEST

UNIT_MAIN("s3error", kinds, full)
