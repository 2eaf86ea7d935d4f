/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/s3client.h"

#include <libs3.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/select.h>
#include <time.h>

#include "archiver/s3error.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/text.h"

#define TRIES		6
#define PAUSE_MS	100	/* before the second try; doubles */
#define TURN_MS		100	/* how often a cancellation is looked for */
#define SCHEME		"http://"
#define URL_MAX		3072

/* A context of libs3, which keeps its connection. */
struct s3slot {
	S3RequestContext *context;
	int		 fd;		/* of its connection; -1 = none yet */
	struct s3slot	 *next;
};

static pthread_once_t	initialised = PTHREAD_ONCE_INIT;
static S3Status		initialise_status;

static void
initialise(void)
{
	initialise_status = S3_initialize("homelab-archiver", S3_INIT_ALL,
	    NULL);
}

/* --- Callbacks of libs3. --- */

static S3Status
on_properties(const S3ResponseProperties *p, void *arg)
{
	struct s3request *r = arg;

	r->length = p->contentLength;
	snprintf(r->etag, sizeof(r->etag), "%s", p->eTag == NULL ? "" :
	    p->eTag);
	return S3StatusOK;
}

static void
on_complete(S3Status status, const S3ErrorDetails *d, void *arg)
{
	struct s3request *r = arg;

	r->status = status;
	r->done = true;
	if (d != NULL && d->message != NULL)
		snprintf(r->details, sizeof(r->details), "%s", d->message);
}

static int
on_put(int size, char *buffer, void *arg)
{
	struct s3request *r = arg;
	size_t	n = 0;

	r->result = store_source_read(&r->source, buffer, (size_t)size, &n,
	    r->e);
	return r->result == 0 ? (int)n : -1;
}

static S3Status
on_get(int size, const char *buffer, void *arg)
{
	struct s3request *r = arg;

	if (r->most != 0 && (uint64_t)size > r->most - r->received)
		r->result = err_set(r->e, ERR_STORE, "the server sends more "
		    "than it was asked for");
	else
		r->result = r->sink(r->arg, buffer, (size_t)size, r->e);
	r->received += (uint64_t)size;
	return r->result == 0 ? S3StatusOK : S3StatusAbortedByCallback;
}

static S3Status
on_page(int size, const char *buffer, void *arg)
{
	struct s3request *r = arg;

	buf_append(&r->page, buffer, (size_t)size);
	if (!buf_failed(&r->page))
		return S3StatusOK;
	r->result = err_set(r->e, ERR_NOMEM, "no memory for a listing");
	return S3StatusAbortedByCallback;
}

/* --- Contexts, and driving them. --- */

static void
drop_slot(struct s3slot *slot)
{
	/* Calls on_complete() of a request that is still under way. */
	S3_destroy_request_context(slot->context);
	free(slot);
}

static struct s3slot *
pop_slot(struct s3client *c)
{
	struct s3slot *slot;

	pthread_mutex_lock(&c->lock);
	slot = c->idle;
	if (slot != NULL)
		c->idle = slot->next;
	pthread_mutex_unlock(&c->lock);
	return slot;
}

/*
 * Nothing waits on the connection. A second answer to what was asked before
 * would be taken for that to what is asked next, which libcurl 7.88 does not
 * look for, and so on with each that follows.
 */
static bool
is_quiet(const struct s3slot *slot)
{
	struct pollfd p = { slot->fd, POLLIN, 0 };

	return slot->fd < 0 || poll(&p, 1, 0) == 0;
}

static struct s3slot *
take_slot(struct s3client *c, struct err *e)
{
	struct s3slot *slot;

	while ((slot = pop_slot(c)) != NULL) {
		if (is_quiet(slot))
			return slot;
		drop_slot(slot);
	}
	slot = calloc(1, sizeof(*slot));
	if (slot == NULL ||
	    S3_create_request_context(&slot->context) != S3StatusOK) {
		free(slot);
		err_set(e, ERR_NOMEM, "no memory for a request to S3");
		return NULL;
	}
	slot->fd = -1;
	return slot;
}

static void
give_slot(struct s3client *c, struct s3slot *slot)
{
	pthread_mutex_lock(&c->lock);
	slot->next = c->idle;
	c->idle = slot;
	pthread_mutex_unlock(&c->lock);
}

/* Waits until there is something to do, TURN_MS at most. */
static void
wait_turn(struct s3slot *slot)
{
	fd_set		rd, wr, ex;
	struct timeval	t;
	int64_t		ms = S3_get_request_context_timeout(slot->context);
	int		max = -1;

	FD_ZERO(&rd);
	FD_ZERO(&wr);
	FD_ZERO(&ex);
	(void)S3_get_request_context_fdsets(slot->context, &rd, &wr, &ex,
	    &max);
	if (max >= 0)
		slot->fd = max;
	/* No descriptor yet: a name is being looked up in a thread. */
	if (max < 0 || ms < 0 || ms > TURN_MS)
		ms = max < 0 ? 10 : TURN_MS;
	t.tv_sec = 0;
	t.tv_usec = (suseconds_t)ms * 1000;
	(void)select(max + 1, &rd, &wr, &ex, &t);
}

/* Drives a request that was just begun to its end, or ends it with its slot. */
static int
drive(struct s3client *c, struct s3slot *slot, struct s3request *r,
    const struct store_op *op, struct err *e)
{
	int	remaining, rc;

	while (!r->done) {
		(void)S3_runonce_request_context(slot->context, &remaining);
		if (r->done)
			break;
		rc = store_op_check(op, c->name, e);
		if (rc != 0) {
			drop_slot(slot);
			return rc;
		}
		wait_turn(slot);
	}
	return 0;
}

/* --- What an answer means. --- */

static enum s3error_kind
kind_of(S3Status status)
{
	switch ((int)status) {
	case S3StatusErrorNoSuchBucket:
		return S3ERROR_NO_BUCKET;
	case S3StatusErrorNoSuchKey:
	case S3StatusHttpErrorNotFound:
		return S3ERROR_NO_KEY;
	case S3StatusErrorInvalidAccessKeyId:
	case S3StatusErrorSignatureDoesNotMatch:
	case S3StatusErrorAccessDenied:
	case S3StatusHttpErrorForbidden:
		return S3ERROR_REFUSED;
	case S3StatusErrorRequestTimeTooSkewed:
		return S3ERROR_SKEWED;
	case S3StatusNameLookupError:
		return S3ERROR_NO_NAME;
	case S3StatusFailedToConnect:
		return S3ERROR_NO_CONNECTION;
	default:
		return S3ERROR_OTHER;
	}
}

int
s3client_explain(const struct s3client *c, const struct s3request *r,
    struct err *e)
{
	const struct s3error_place place = { c->repo, c->host, c->bucket,
	    c->name };

	return s3error_set(&place, kind_of((S3Status)r->status),
	    r->verb == S3VERB_LIST ? r->query.prefix : r->key,
	    r->details[0] != '\0' ? r->details :
	    S3_get_status_name((S3Status)r->status), e);
}

/* What another try may mend. */
static bool
is_passing(const struct s3request *r)
{
	if (s3error_is_full(r->details))
		return false;
	switch (r->status) {
	case S3StatusHttpErrorUnknown:
	case S3StatusErrorSlowDown:
	case S3StatusErrorInternalError:
	case S3StatusErrorRequestTimeout:
	case S3StatusErrorOperationAborted:
	case S3StatusErrorIncompleteBody:
	case S3StatusErrorBadDigest:
	case S3StatusErrorUnknown:
	case S3StatusInternalError:
	case S3StatusXmlParseFailure:
		return true;
	default:
		return S3_status_is_retryable((S3Status)r->status) != 0;
	}
}

/*
 * libs3 looks for the answer to a PUT in the interim one, "100 Continue". If
 * that takes longer than the second for which libcurl waits, the object is
 * sent and stored all the same, and libs3 calls it a failed connection. Only
 * the store knows then.
 */
static bool
answered(const struct s3request *r)
{
	return r->status == S3StatusOK ||
	    (r->verb == S3VERB_PUT && r->status == S3StatusConnectionFailed);
}

/* Waits before another try; ERR_* if there is no time for one. */
static int
pause_before(int try, const struct store_op *op, const char *what,
    struct err *e)
{
	struct timespec t;
	int64_t	 left, us = (int64_t)PAUSE_MS * 1000 << (try - 1);
	int	 rc;

	/* Half of it by chance, so that threads do not come back at once. */
	us = us / 2 + clock_us() % (us / 2 + 1);
	for (left = us; left > 0; left -= TURN_MS * 1000) {
		rc = store_op_check(op, what, e);
		if (rc != 0)
			return rc;
		t.tv_sec = 0;
		t.tv_nsec = MIN(left, (int64_t)TURN_MS * 1000) * 1000;
		nanosleep(&t, NULL);
	}
	return 0;
}

/* --- Requests. --- */

static S3BucketContext
bucket_of(const struct s3client *c)
{
	return (S3BucketContext){ c->host, c->bucket, S3ProtocolHTTP,
	    c->virtual_host ? S3UriStyleVirtualHost : S3UriStylePath, c->key,
	    c->secret };
}

static const S3ResponseHandler response_handler = {
	on_properties, on_complete
};
static const S3GetConditions unconditional = { -1, -1, NULL, NULL };

static void
begin_put(const struct s3client *c, struct s3slot *slot, struct s3request *r)
{
	static const S3PutObjectHandler handler = {
		{ on_properties, on_complete }, on_put
	};
	S3BucketContext bucket = bucket_of(c);
	S3PutProperties props = { .md5 = r->md5, .expires = -1,
	    .cannedAcl = S3CannedAclPrivate };

	r->source.part = 0;
	r->source.at = 0;
	S3_put_object(&bucket, r->key, r->len, &props, slot->context, &handler,
	    r);
}

/* Goes on behind what came already. */
static void
begin_get(const struct s3client *c, struct s3slot *slot, struct s3request *r)
{
	static const S3GetObjectHandler handler = {
		{ on_properties, on_complete }, on_get
	};
	S3BucketContext bucket = bucket_of(c);

	r->length = 0;
	r->began = r->received;
	S3_get_object(&bucket, r->key, &unconditional, r->offset + r->received,
	    r->most == 0 ? 0 : r->most - r->received, slot->context, &handler,
	    r);
}

static void
append_encoded(struct buf *b, const char *s)
{
	for (; *s != '\0'; s++) {
		if (text_is_digit(*s) || (*s >= 'a' && *s <= 'z') ||
		    (*s >= 'A' && *s <= 'Z') || strchr("-_.~/", *s) != NULL)
			buf_append(b, s, 1);
		else
			buf_printf(b, "%%%02X", (unsigned)(unsigned char)*s);
	}
}

/*
 * S3_list_bucket() reports no broken transfer and no error inside of a 200:
 * both look like a listing that is complete. So the answer is fetched as it
 * is, and judged by s3list. libs3 gets no parameters through S3_get_object():
 * they stand in what it takes for the name of the host. The path behind it
 * ends up as the value of a last parameter that means nothing, and is what
 * gets signed, which for a listing is the bucket alone in version 2.
 */
static void
begin_list(const struct s3client *c, struct s3slot *slot, struct s3request *r)
{
	static const S3GetObjectHandler handler = {
		{ on_properties, on_complete }, on_page
	};
	S3BucketContext bucket = bucket_of(c);
	char		key[256];
	struct buf	host = { .max = URL_MAX };

	if (c->virtual_host)
		buf_printf(&host, "%s.%s/", c->bucket, c->host);
	else
		buf_printf(&host, "%s/%s", c->host, c->bucket);
	buf_append_str(&host, "?prefix=");
	append_encoded(&host, r->query.prefix);
	buf_append_str(&host, "&marker=");
	append_encoded(&host, r->query.marker);
	buf_printf(&host, "%s&max-keys=%d&homelab=",
	    r->query.delimited ? "&delimiter=/" : "", r->page_keys);
	bucket.hostName = buf_cstr(&host);
	bucket.bucketName = NULL;
	bucket.uriStyle = S3UriStylePath;
	snprintf(key, sizeof(key), "%s%s", c->bucket,
	    c->virtual_host ? "/" : "");
	buf_clear(&r->page);
	S3_get_object(&bucket, key, &unconditional, 0, 0, slot->context,
	    &handler, r);
	buf_release(&host);
}

static void
begin(const struct s3client *c, struct s3slot *slot, struct s3request *r)
{
	S3BucketContext bucket = bucket_of(c);

	r->done = false;
	r->details[0] = '\0';
	r->result = 0;
	switch (r->verb) {
	case S3VERB_PUT:
		begin_put(c, slot, r);
		break;
	case S3VERB_GET:
		begin_get(c, slot, r);
		break;
	case S3VERB_HEAD:
		S3_head_object(&bucket, r->key, slot->context,
		    &response_handler, r);
		break;
	case S3VERB_DELETE:
		S3_delete_object(&bucket, r->key, slot->context,
		    &response_handler, r);
		break;
	case S3VERB_LIST:
		begin_list(c, slot, r);
		break;
	}
}

/* What came of a request. */
static int
judge(const struct s3client *c, struct s3request *r)
{
	int rc;

	if (r->result != 0)
		return r->result;
	if (!answered(r))
		return s3client_explain(c, r, r->e);
	r->unsure = r->status != S3StatusOK;
	if (r->accept == NULL)
		return 0;
	rc = r->accept(r, r->e);
	if (rc != 0)
		r->refused++;
	return rc;
}

/* Whether what came of it may come out better. */
static bool
may_try_again(const struct s3request *r, int try)
{
	if (try == TRIES || r->result != 0 ||
	    (r->refused > 0 && r->refused == r->refusals))
		return false;
	return answered(r) || is_passing(r);
}

int
s3client_perform(struct s3client *c, struct s3request *r,
    const struct store_op *op, struct err *e)
{
	struct err	last;
	struct s3slot	*slot;
	int		 try, rc;

	r->e = e;
	for (try = 1;; try++) {
		slot = take_slot(c, e);
		if (slot == NULL)
			return ERR_NOMEM;
		begin(c, slot, r);
		rc = drive(c, slot, r, op, e);
		if (rc != 0)
			return rc;
		rc = judge(c, r);
		/* A connection that gave nonsense is not asked again. */
		if (rc == 0 || rc == ERR_NOT_FOUND)
			give_slot(c, slot);
		else
			drop_slot(slot);
		if (rc == 0 || !may_try_again(r, try))
			return rc;
		last = *e;
		if (pause_before(try, op, c->name, e) != 0) {
			/* What went wrong says more than that time is up. */
			if (e->code == ERR_TIMEOUT)
				*e = last;
			return e->code;
		}
	}
}

/* --- Life cycle. --- */

static int
check_config(const struct store_s3_config *c, struct err *e)
{
	S3UriStyle style = c->virtual_host ? S3UriStyleVirtualHost :
	    S3UriStylePath;

	if (strncmp(c->endpoint, SCHEME, strlen(SCHEME)) != 0) {
		err_set(e, ERR_CONFIG, "repo%d-s3-endpoint \"%s\" is not of "
		    "the form http://host:port", c->repo, c->endpoint);
		err_hint(e, "https is not supported yet: Debian's libs3 "
		    "verifies no certificate");
		return ERR_CONFIG;
	}
	if (S3_validate_bucket_name(c->bucket, style) != S3StatusOK) {
		err_set(e, ERR_CONFIG, "repo%d-s3-bucket \"%s\" cannot be the "
		    "name of a bucket", c->repo, c->bucket);
		return err_hint(e, "it has 3 to 63 of a-z 0-9 . and -");
	}
	if (*c->key == '\0' || *c->secret == '\0')
		return err_set(e, ERR_CONFIG, "repo%d-s3-key or "
		    "repo%d-s3-key-secret is empty", c->repo, c->repo);
	return 0;
}

int
s3client_init(struct s3client *c, const struct store_s3_config *config,
    struct err *e)
{
	int	rc = check_config(config, e);

	if (rc != 0)
		return rc;
	pthread_once(&initialised, initialise);
	if (initialise_status != S3StatusOK)
		return err_set(e, ERR_STORE, "libs3 does not start: %s",
		    S3_get_status_name(initialise_status));
	*c = (struct s3client){ .repo = config->repo,
	    .virtual_host = config->virtual_host, .name = "S3" };
	pthread_mutex_init(&c->lock, NULL);
	c->host = strdup(config->endpoint + strlen(SCHEME));
	c->bucket = strdup(config->bucket);
	c->key = strdup(config->key);
	c->secret = strdup(config->secret);
	if (c->host == NULL || c->bucket == NULL || c->key == NULL ||
	    c->secret == NULL) {
		s3client_release(c);
		return err_set(e, ERR_NOMEM, "no memory for a repository");
	}
	c->host[strcspn(c->host, "/")] = '\0';
	return 0;
}

void
s3client_release(struct s3client *c)
{
	struct s3slot *slot;

	while ((slot = pop_slot(c)) != NULL)
		drop_slot(slot);
	pthread_mutex_destroy(&c->lock);
	if (c->secret != NULL)
		explicit_bzero(c->secret, strlen(c->secret));
	free(c->host);
	free(c->bucket);
	free(c->key);
	free(c->secret);
}
