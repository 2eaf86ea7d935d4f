/* SPDX-License-Identifier: MIT */
/*
 * S3 through Debian's libs3 2.0, which has no time limits, cannot cancel,
 * and verifies no certificate. So every request runs in a context of its
 * own that is driven here, turn by turn, and destroyed when its time is
 * over; and https is refused. A context keeps its connection, so contexts
 * are kept for the next request: as many as there are threads at a time.
 */
#include "common/base.h"
#include "archiver/store.h"

#include <errno.h>
#include <inttypes.h>
#include <libs3.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

#include "archiver/md5.h"
#include "archiver/s3error.h"
#include "archiver/s3list.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/text.h"

#define TRIES		6
#define PUT_TRIES	3
#define LENGTH_TRIES	3	/* what a HEAD says, before it is believed */
#define PAUSE_MS	100	/* before the second try; doubles */
#define TURN_MS		100	/* how often a cancellation is looked for */
#define PAGE		1000	/* keys a listing asks for at once */
#define PAGE_BYTES	((size_t)16 << 20)
#define ETAG_MAX	64
#define URL_MAX		3072

struct slot {
	S3RequestContext *context;
	int		 fd;		/* of its connection; -1 = none yet */
	struct slot	 *next;
};

struct store_s3 {
	struct store	 base;
	int		 repo;		/* its number, for messages */
	S3BucketContext	 bucket;
	char		*host, *bucket_name, *key, *secret;
	char		 prefix[256];	/* "" or ends in a slash */
	pthread_mutex_t	 lock;		/* idle */
	struct slot	*idle;
};

/* One request, on the stack of the thread that makes it. */
struct request {
	/* Whether a success is one: if not, it is asked again. May be NULL. */
	int		(*accept)(struct request *, const void *extra);
	bool		 blind;		/* see answered() */
	int		 refused;	/* by accept(), so far */
	S3Status	 status;
	bool		 done;
	char		 details[256];	/* what the server said */
	int		 result;	/* of a sink or a source, ends it */
	struct err	*e;
	/* put */
	const struct store_part *parts;
	size_t		 part_n, part;
	uint64_t	 part_at;
	/* read */
	store_sink	*sink;
	void		*arg;
	uint64_t	 received;	/* of all tries */
	uint64_t	 began, length;	/* of this try */
	char		 etag[ETAG_MAX];
	uint64_t	 most;		/* bytes that were asked for, 0: all */
	/* list: the answer as it came */
	struct buf	 page;
};

static struct store_s3 *
self(struct store *s)
{
	return container_of(s, struct store_s3, base);
}

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
	struct request *r = arg;

	r->length = p->contentLength;
	snprintf(r->etag, sizeof(r->etag), "%s", p->eTag == NULL ? "" :
	    p->eTag);
	return S3StatusOK;
}

static void
on_complete(S3Status status, const S3ErrorDetails *d, void *arg)
{
	struct request *r = arg;

	r->status = status;
	r->done = true;
	if (d != NULL && d->message != NULL)
		snprintf(r->details, sizeof(r->details), "%s", d->message);
}

static int
on_put(int size, char *buffer, void *arg)
{
	struct request *r = arg;
	const struct store_part *p;
	uint64_t left;
	ssize_t	 n;

	while (r->part < r->part_n &&
	    r->part_at == r->parts[r->part].len) {
		r->part++;
		r->part_at = 0;
	}
	if (r->part == r->part_n)
		return 0;
	p = &r->parts[r->part];
	left = MIN(p->len - r->part_at, (uint64_t)size);
	if (p->bytes != NULL) {
		memcpy(buffer, (const char *)p->bytes + r->part_at, left);
		r->part_at += left;
		return (int)left;
	}
	n = pread(p->fd, buffer, left, (off_t)(p->offset + r->part_at));
	if (n <= 0) {
		r->result = n < 0 ?
		    err_sys(r->e, errno, "cannot read the source") :
		    err_set(r->e, ERR_FORMAT, "the source file shrank");
		return -1;
	}
	r->part_at += (uint64_t)n;
	return (int)n;
}

static S3Status
on_get(int size, const char *buffer, void *arg)
{
	struct request *r = arg;

	if (r->most != 0 && (uint64_t)size > r->most - r->received)
		r->result = err_set(r->e, ERR_STORE, "the server sends more "
		    "than it was asked for");
	else
		r->result = r->sink(r->arg, buffer, (size_t)size, r->e);
	r->received += (uint64_t)size;
	return r->result == 0 ? S3StatusOK : S3StatusAbortedByCallback;
}

static const S3ResponseHandler response_handler = {
	on_properties, on_complete
};

/* --- Contexts, and driving them. --- */

static void
drop_slot(struct slot *slot)
{
	/* Calls on_complete() of a request that is still under way. */
	S3_destroy_request_context(slot->context);
	free(slot);
}

static struct slot *
pop_slot(struct store_s3 *s)
{
	struct slot *slot;

	pthread_mutex_lock(&s->lock);
	slot = s->idle;
	if (slot != NULL)
		s->idle = slot->next;
	pthread_mutex_unlock(&s->lock);
	return slot;
}

/*
 * Nothing waits on the connection. A second answer to what was asked before
 * would be taken for that to what is asked next, which libcurl 7.88 does not
 * look for, and so on with each that follows.
 */
static bool
is_quiet(const struct slot *slot)
{
	struct pollfd p = { slot->fd, POLLIN, 0 };

	return slot->fd < 0 || poll(&p, 1, 0) == 0;
}

static struct slot *
take_slot(struct store_s3 *s, struct err *e)
{
	struct slot *slot;

	while ((slot = pop_slot(s)) != NULL) {
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
give_slot(struct store_s3 *s, struct slot *slot)
{
	pthread_mutex_lock(&s->lock);
	slot->next = s->idle;
	s->idle = slot;
	pthread_mutex_unlock(&s->lock);
}

/* Waits until there is something to do, TURN_MS at most. */
static void
wait_turn(struct slot *slot)
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
drive(struct store_s3 *s, struct slot *slot, struct request *r,
    const struct store_op *op, struct err *e)
{
	int	remaining, rc;

	while (!r->done) {
		(void)S3_runonce_request_context(slot->context, &remaining);
		if (r->done)
			break;
		rc = store_op_check(op, s->base.name, e);
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

static int
explain(struct store_s3 *s, const struct request *r, const char *what,
    struct err *e)
{
	const struct s3error_place place = { s->repo, s->host, s->bucket_name,
	    s->base.name };

	return s3error_set(&place, kind_of(r->status), what,
	    r->details[0] != '\0' ? r->details :
	    S3_get_status_name(r->status), e);
}

/* What another try may mend. */
static bool
is_passing(const struct request *r)
{
	if (s3error_is_full(r->details))
		return false;
	switch ((int)r->status) {
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
		return S3_status_is_retryable(r->status) != 0;
	}
}

/*
 * libs3 looks for the answer to a PUT in the interim one, "100 Continue". If
 * that takes longer than the second for which libcurl waits, the object is
 * sent and stored all the same, and libs3 calls it a failed connection. Only
 * the store knows then.
 */
static bool
answered(const struct request *r)
{
	return r->status == S3StatusOK ||
	    (r->blind && r->status == S3StatusConnectionFailed);
}

/* Waits before another try; ERR_* if there is no time for one. */
static int
pause_before(int try, const struct store_op *op, const char *what,
    struct err *e)
{
	struct timespec now, t;
	int64_t	 left, us = (int64_t)PAUSE_MS * 1000 << (try - 1);
	int	 rc;

	clock_gettime(CLOCK_MONOTONIC, &now);
	/* Half of it by chance, so that threads do not come back at once. */
	us = us / 2 + now.tv_nsec / 1000 % (us / 2 + 1);
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

/* Begins a request in a context; the other half of perform(). */
typedef void begin_fn(struct store_s3 *s, struct slot *slot, const char *key,
	    struct request *r, const void *extra);

/* What came of a request. */
static int
judge(struct store_s3 *s, struct request *r, const char *key, const void *extra)
{
	if (r->result != 0)
		return r->result;
	if (!answered(r))
		return explain(s, r, key, r->e);
	return r->accept == NULL ? 0 : r->accept(r, extra);
}

/* Makes a request, and makes it again where that may help. */
static int
perform(struct store_s3 *s, begin_fn *begin, const char *key,
    struct request *r, const void *extra, const struct store_op *op)
{
	struct err	last;
	struct slot	*slot;
	int		 try, rc = 0;

	for (try = 1;; try++) {
		slot = take_slot(s, r->e);
		if (slot == NULL)
			return ERR_NOMEM;
		r->done = false;
		r->details[0] = '\0';
		r->result = 0;
		r->part = 0;
		r->part_at = 0;
		begin(s, slot, key, r, extra);
		rc = drive(s, slot, r, op, r->e);
		if (rc != 0)
			return rc;
		rc = judge(s, r, key, extra);
		/* A connection that gave nonsense is not asked again. */
		if (rc == 0 || rc == ERR_NOT_FOUND)
			give_slot(s, slot);
		else
			drop_slot(slot);
		if (rc == 0 || try == TRIES || r->result != 0 ||
		    (!answered(r) && !is_passing(r)))
			return rc;
		last = *r->e;
		if (pause_before(try, op, s->base.name, r->e) != 0) {
			/* What went wrong says more than that time is up. */
			if (r->e->code == ERR_TIMEOUT)
				*r->e = last;
			return r->e->code;
		}
	}
}

/* --- The operations. --- */

static void
full_key(const struct store_s3 *s, const char *key, char out[1024])
{
	snprintf(out, 1024, "%s%s", s->prefix, key);
}

struct put_extra {
	uint64_t	len;
	char		md5[MD5_TEXT_MAX];
};

static void
begin_put(struct store_s3 *s, struct slot *slot, const char *key,
    struct request *r, const void *extra)
{
	static const S3PutObjectHandler handler = {
		{ on_properties, on_complete }, on_put
	};
	const struct put_extra *x = extra;
	S3PutProperties props = { .md5 = x->md5, .expires = -1,
	    .cannedAcl = S3CannedAclPrivate };

	S3_put_object(&s->bucket, key, x->len, &props, slot->context, &handler,
	    r);
}

/* The MD5 of the parts, which are read once more for it. */
static int
md5_of(struct request *r, size_t n, struct put_extra *x)
{
	struct md5	*m = md5_new();
	char		 chunk[16384];
	int		 k = 1, rc;

	x->len = 0;
	for (size_t i = 0; i < n; i++)
		x->len += r->parts[i].len;
	while (m != NULL && k > 0) {
		k = on_put((int)sizeof(chunk), chunk, r);
		if (k > 0)
			md5_add(m, chunk, (size_t)k);
	}
	rc = md5_text(m, x->md5);
	if (r->result != 0)
		return r->result;
	return rc == 0 ? 0 : err_set(r->e, rc, "cannot compute an MD5");
}

struct read_extra {
	uint64_t	offset;
	size_t		n;
};

/* Goes on behind what came already. */
static void
begin_read(struct store_s3 *s, struct slot *slot, const char *key,
    struct request *r, const void *extra)
{
	static const S3GetObjectHandler handler = {
		{ on_properties, on_complete }, on_get
	};
	const struct read_extra *x = extra;
	S3GetConditions any = { -1, -1, NULL, NULL };

	r->length = 0;
	r->began = r->received;
	S3_get_object(&s->bucket, key, &any, x->offset + r->received,
	    x->n == 0 ? 0 : x->n - r->received, slot->context, &handler, r);
}

static int
s3_read(struct store *base, const char *key, uint64_t offset, size_t n,
    store_sink *sink, void *arg, const struct store_op *op, struct err *e)
{
	struct store_s3 *s = self(base);
	struct read_extra x = { offset, n };
	struct request	 r = { .sink = sink, .arg = arg, .e = e, .most = n };
	char		 full[1024];
	int		 try, rc;

	full_key(s, key, full);
	for (try = 0; try < TRIES; try++) {
		rc = perform(s, begin_read, full, &r, &x, op);
		if (rc != 0)
			return rc;
		/*
		 * A transfer that broke off is success to libs3: count. The
		 * length is that of the last answer, from where it began.
		 */
		if (n == 0 ? r.received - r.began >= r.length :
		    r.received == n)
			return 0;
		if (n != 0 && r.received - r.began == r.length)
			break;		/* the object is shorter */
	}
	return err_set(e, ERR_STORE, "%s: %s ends too early", base->name, key);
}

static void
begin_head(struct store_s3 *s, struct slot *slot, const char *key,
    struct request *r, const void *extra)
{
	(void)extra;
	S3_head_object(&s->bucket, key, slot->context, &response_handler, r);
}

static int	s3_check(struct store *, uint64_t room,
		    const struct store_op *, struct err *);

static int
s3_head(struct store *base, const char *key, uint64_t *size,
    const struct store_op *op, struct err *e)
{
	struct store_s3 *s = self(base);
	struct request	 r = { .e = e };
	struct err	 not_found;
	char		 full[1024];
	int		 rc;

	full_key(s, key, full);
	rc = perform(s, begin_head, full, &r, NULL, op);
	if (rc == 0)
		*size = r.length;
	if (rc != ERR_NOT_FOUND)
		return rc;
	/* A HEAD has no body that says whether it is key or bucket. */
	not_found = *e;
	rc = s3_check(base, 0, op, e);
	if (rc == 0)
		*e = not_found;
	return rc == 0 ? ERR_NOT_FOUND : rc;
}

/* Read back: a store that encrypts has ETags of its own. */
static int
to_md5(void *arg, const void *bytes, size_t n, struct err *e)
{
	(void)e;
	md5_add(arg, bytes, n);
	return 0;
}

static int
read_back(struct store *base, const char *key, const struct put_extra *x,
    bool *same, const struct store_op *op, struct err *e)
{
	struct md5	*m = md5_new();
	char		 text[MD5_TEXT_MAX];
	int		 rc, ended;

	rc = m == NULL ? ERR_NOMEM :
	    s3_read(base, key, 0, 0, to_md5, m, op, e);
	ended = md5_text(m, text);
	if (rc == 0 || m == NULL)
		rc = ended == 0 ? 0 : err_set(e, ended, "cannot compute an MD5");
	*same = rc == 0 && strcmp(text, x->md5) == 0;
	return rc;
}

/*
 * libs3 does not show what a PUT was answered: it reports the properties, the
 * ETag among them, before the first byte is sent. An answer that was meant for
 * another request, or that something between made up, looks like success. What
 * the store says that it has is what counts; of MinIO's 10 ms of processor
 * time for a segment the HEAD is one. An object of another length is asked for
 * again: that may have been the answer to something else.
 */
static int
accept_length(struct request *r, const void *extra)
{
	const struct put_extra *x = extra;

	if (r->length == x->len)
		return 0;
	err_set(r->e, ERR_STORE, "%llu bytes were stored and %llu are there",
	    (unsigned long long)x->len, (unsigned long long)r->length);
	/* A result ends the request. */
	if (++r->refused == LENGTH_TRIES)
		r->result = ERR_STORE;
	return ERR_STORE;
}

static int
confirm_put(struct store *base, const char *key, const struct put_extra *x,
    bool *same, const struct store_op *op, struct err *e)
{
	struct request	 r = { .accept = accept_length, .e = e };
	char		 full[1024], etag[MD5_TEXT_MAX];
	int		 rc;

	full_key(self(base), key, full);
	rc = perform(self(base), begin_head, full, &r, x, op);
	*same = rc == 0 && md5_of_etag(r.etag, etag) &&
	    strcmp(etag, x->md5) == 0;
	if (rc == ERR_NOT_FOUND || r.refused == LENGTH_TRIES)
		return 0;
	return rc != 0 || *same ? rc : read_back(base, key, x, same, op, e);
}

static int
s3_put(struct store *base, const char *key, const struct store_part *parts,
    size_t n, const struct store_op *op, struct err *e)
{
	struct store_s3 *s = self(base);
	struct request	 r = { .parts = parts, .part_n = n, .blind = true,
	    .e = e };
	struct put_extra x;
	char		 full[1024];
	bool		 same = false;
	int		 try, rc;

	full_key(s, key, full);
	rc = md5_of(&r, n, &x);
	for (try = 0; try < PUT_TRIES && rc == 0; try++) {
		rc = perform(s, begin_put, full, &r, &x, op);
		if (rc == 0)
			rc = confirm_put(base, key, &x, &same, op, e);
		if (rc == 0 && same)
			return 0;
	}
	if (rc == 0 && r.status != S3StatusOK)
		return explain(s, &r, full, e);
	return rc != 0 ? rc : err_set(e, ERR_STORE, "%s took %s and does not "
	    "have it", base->name, key);
}

/*
 * S3_list_bucket() reports no broken transfer and no error inside of a 200:
 * both look like a listing that is complete. So the answer is fetched as it
 * is, and judged by s3list. libs3 gets no parameters through S3_get_object():
 * they stand in what it takes for the name of the host. The path behind it
 * ends up as the value of a last parameter that means nothing, and is what
 * gets signed, which for a listing is the bucket alone in version 2.
 */
struct list_extra {
	struct s3list_query query;
	int		 max;
};

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

static void
begin_list(struct store_s3 *s, struct slot *slot, const char *prefix,
    struct request *r, const void *extra)
{
	static const S3GetObjectHandler handler = {
		{ on_properties, on_complete }, on_get
	};
	const struct list_extra *x = extra;
	S3GetConditions any = { -1, -1, NULL, NULL };
	S3BucketContext bucket = s->bucket;
	bool		host_style = bucket.uriStyle == S3UriStyleVirtualHost;
	char		key[256];
	struct buf	host = { .max = URL_MAX };

	if (host_style)
		buf_printf(&host, "%s.%s/", s->bucket_name, s->host);
	else
		buf_printf(&host, "%s/%s", s->host, s->bucket_name);
	buf_append_str(&host, "?prefix=");
	append_encoded(&host, prefix);
	buf_append_str(&host, "&marker=");
	append_encoded(&host, x->query.marker);
	buf_printf(&host, "%s&max-keys=%d&homelab=",
	    x->query.delimited ? "&delimiter=/" : "", x->max);
	bucket.hostName = buf_cstr(&host);
	bucket.bucketName = NULL;
	bucket.uriStyle = S3UriStylePath;
	snprintf(key, sizeof(key), "%s%s", s->bucket_name,
	    host_style ? "/" : "");
	buf_clear(&r->page);
	r->received = 0;
	S3_get_object(&bucket, key, &any, 0, 0, slot->context, &handler, r);
	buf_release(&host);
}

static int
to_page(void *arg, const void *bytes, size_t n, struct err *e)
{
	struct request	*r = arg;

	buf_append(&r->page, bytes, n);
	return buf_failed(&r->page) ? err_set(e, ERR_NOMEM,
	    "no memory for a listing") : 0;
}

static int
no_entry(void *arg, const struct s3list_entry *entry)
{
	(void)arg;
	(void)entry;
	return 0;
}

static int
accept_list(struct request *r, const void *extra)
{
	const struct list_extra *x = extra;
	char	next[S3LIST_KEY_MAX + 1];
	bool	truncated;

	if (s3list_parse(buf_bytes(&r->page), buf_len(&r->page), &x->query,
	    no_entry, NULL, &truncated, next, r->e) == 0)
		return 0;
	r->e->code = ERR_STORE;
	return ERR_STORE;
}

/* What a page's entries are handed to, without the repository's prefix. */
struct deliver {
	int	(*each)(void *, const struct store_entry *);
	void	*arg;
	size_t	 skip;
};

static int
deliver(void *arg, const struct s3list_entry *e)
{
	const struct deliver *d = arg;
	const struct store_entry entry = { e->key + d->skip, e->size, e->mtime,
	    e->is_prefix };

	return d->each(d->arg, &entry);
}

static int
list_page(struct store_s3 *s, struct request *r, const struct list_extra *x,
    const struct store_op *op)
{
	int rc;

	r->accept = accept_list;
	r->sink = to_page;
	r->arg = r;
	r->page.max = PAGE_BYTES;
	rc = perform(s, begin_list, x->query.prefix, r, x, op);
	return rc != ERR_NOT_FOUND ? rc : err_set(r->e, ERR_STORE,
	    "%s cannot be listed", s->base.name);
}

static int
s3_list(struct store *base, const char *prefix, bool delimited,
    int (*each)(void *, const struct store_entry *), void *arg,
    const struct store_op *op, struct err *e)
{
	struct store_s3 *s = self(base);
	struct request	 r = { .e = e };
	struct deliver	 d = { each, arg, strlen(s->prefix) };
	char		 full[1024], marker[S3LIST_KEY_MAX + 1] = "";
	char		 next[S3LIST_KEY_MAX + 1];
	struct list_extra x = { { full, marker, delimited }, PAGE };
	bool		 more = true;
	int		 rc = 0;

	full_key(s, prefix, full);
	while (rc == 0 && more) {
		rc = list_page(s, &r, &x, op);
		if (rc == 0)
			rc = s3list_parse(buf_bytes(&r.page),
			    buf_len(&r.page), &x.query, deliver, &d, &more,
			    next, e);
		if (rc == 0)
			memcpy(marker, next, sizeof(marker));
	}
	buf_release(&r.page);
	return rc;
}

static void
begin_remove(struct store_s3 *s, struct slot *slot, const char *key,
    struct request *r, const void *extra)
{
	(void)extra;
	S3_delete_object(&s->bucket, key, slot->context, &response_handler, r);
}

static int
s3_remove(struct store *base, const char *key, const struct store_op *op,
    struct err *e)
{
	struct store_s3 *s = self(base);
	struct request	 r = { .e = e };
	char		 full[1024];

	full_key(s, key, full);
	return perform(s, begin_remove, full, &r, NULL, op);
}

static int
s3_check(struct store *base, uint64_t room, const struct store_op *op,
    struct err *e)
{
	struct store_s3 *s = self(base);
	struct request	 r = { .e = e };
	struct list_extra x = { { s->prefix, "", false }, 1 };
	int		 rc;

	(void)room;	/* S3 does not say */
	rc = list_page(s, &r, &x, op);
	buf_release(&r.page);
	return rc;
}

static void
s3_close(struct store *base)
{
	struct store_s3	*s = self(base);
	struct slot	*slot;

	while ((slot = s->idle) != NULL) {
		s->idle = slot->next;
		drop_slot(slot);
	}
	pthread_mutex_destroy(&s->lock);
	if (s->secret != NULL)
		explicit_bzero(s->secret, strlen(s->secret));
	free(s->host);
	free(s->bucket_name);
	free(s->key);
	free(s->secret);
	free(s);
}

static const struct store_ops s3_ops = {
	s3_close, s3_put, s3_read, s3_head, s3_list, s3_remove, s3_check,
	NULL
};

static int
check_config(const struct store_s3_config *c, struct err *e)
{
	S3UriStyle style = c->virtual_host ? S3UriStyleVirtualHost :
	    S3UriStylePath;

	if (strncmp(c->endpoint, "http://", 7) != 0) {
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

/* "/a/b/" becomes "a/b/". */
static void
set_prefix(struct store_s3 *s, const char *path)
{
	size_t n;

	while (*path == '/')
		path++;
	n = strlen(path);
	while (n > 0 && path[n - 1] == '/')
		n--;
	if (n > 0)
		snprintf(s->prefix, sizeof(s->prefix), "%.*s/",
		    (int)MIN(n, sizeof(s->prefix) - 2), path);
}

int
store_s3_open(struct store **out, const struct store_s3_config *c,
    struct err *e)
{
	struct store_s3 *s;
	int		 rc = check_config(c, e);

	if (rc != 0)
		return rc;
	pthread_once(&initialised, initialise);
	if (initialise_status != S3StatusOK)
		return err_set(e, ERR_STORE, "libs3 does not start: %s",
		    S3_get_status_name(initialise_status));
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return err_set(e, ERR_NOMEM, "no memory for a repository");
	s->base.ops = &s3_ops;
	s->repo = c->repo;
	pthread_mutex_init(&s->lock, NULL);
	set_prefix(s, c->path);
	s->host = strdup(c->endpoint + 7);
	s->bucket_name = strdup(c->bucket);
	s->key = strdup(c->key);
	s->secret = strdup(c->secret);
	if (s->host == NULL || s->bucket_name == NULL || s->key == NULL ||
	    s->secret == NULL) {
		s3_close(&s->base);
		return err_set(e, ERR_NOMEM, "no memory for a repository");
	}
	s->host[strcspn(s->host, "/")] = '\0';
	snprintf(s->base.name, sizeof(s->base.name), "s3://%s/%.255s at %s",
	    s->bucket_name, s->prefix, s->host);
	s->bucket = (S3BucketContext){ s->host, s->bucket_name, S3ProtocolHTTP,
	    c->virtual_host ? S3UriStyleVirtualHost : S3UriStylePath, s->key,
	    s->secret };
	*out = &s->base;
	return 0;
}
