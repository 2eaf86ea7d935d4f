/* SPDX-License-Identifier: MIT */
/*
 * The store in a bucket of S3: what each operation has to ask before it may
 * say that it is done. How one request is made, tried again and cut off is
 * s3client's.
 */
#include "common/base.h"
#include "archiver/store.h"

#include <stdio.h>
#include <string.h>

#include "archiver/md5.h"
#include "archiver/s3client.h"
#include "archiver/s3list.h"
#include "common/buf.h"
#include "common/err.h"

#define READ_TRIES	6
#define PUT_TRIES	3
#define LENGTH_TRIES	3	/* what a HEAD says, before it is believed */
#define PAGE		1000	/* keys a listing asks for at once */
#define PAGE_BYTES	((size_t)16 << 20)
#define FULL_KEY_MAX	1024

struct store_s3 {
	struct store	 base;
	struct s3client	 client;
	char		 prefix[256];	/* "" or ends in a slash */
};

static struct store_s3 *
self(struct store *s)
{
	return container_of(s, struct store_s3, base);
}

static void
full_key(const struct store_s3 *s, const char *key, char out[FULL_KEY_MAX])
{
	snprintf(out, FULL_KEY_MAX, "%s%s", s->prefix, key);
}

/* --- Reading. --- */

static int
s3_read(struct store *base, const char *key, uint64_t offset, size_t n,
    store_sink *sink, void *arg, const struct store_op *op, struct err *e)
{
	struct store_s3 *s = self(base);
	char		 full[FULL_KEY_MAX];
	struct s3request r = { .verb = S3VERB_GET, .key = full,
	    .offset = offset, .most = n, .sink = sink, .arg = arg };
	int		 try, rc;

	full_key(s, key, full);
	for (try = 0; try < READ_TRIES; try++) {
		rc = s3client_perform(&s->client, &r, op, e);
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

/* --- Listing. --- */

static int
no_entry(void *arg, const struct s3list_entry *entry)
{
	(void)arg;
	(void)entry;
	return 0;
}

/* The whole of a page is looked at before anybody hears of an entry. */
static int
accept_page(struct s3request *r, struct err *e)
{
	char	next[S3LIST_KEY_MAX + 1];
	bool	truncated;

	if (s3list_parse(buf_bytes(&r->page), buf_len(&r->page), &r->query,
	    no_entry, NULL, &truncated, next, e) == 0)
		return 0;
	e->code = ERR_STORE;
	return ERR_STORE;
}

static int
list_page(struct store_s3 *s, struct s3request *r, const struct store_op *op,
    struct err *e)
{
	int rc;

	r->verb = S3VERB_LIST;
	r->accept = accept_page;
	r->page.max = PAGE_BYTES;
	rc = s3client_perform(&s->client, r, op, e);
	return rc != ERR_NOT_FOUND ? rc : err_set(e, ERR_STORE,
	    "%s cannot be listed", s->base.name);
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
s3_list(struct store *base, const char *prefix, bool delimited,
    int (*each)(void *, const struct store_entry *), void *arg,
    const struct store_op *op, struct err *e)
{
	struct store_s3 *s = self(base);
	char		 full[FULL_KEY_MAX], marker[S3LIST_KEY_MAX + 1] = "";
	char		 next[S3LIST_KEY_MAX + 1];
	struct s3request r = { .query = { full, marker, delimited },
	    .page_keys = PAGE };
	struct deliver	 d = { each, arg, strlen(s->prefix) };
	bool		 more = true;
	int		 rc = 0;

	full_key(s, prefix, full);
	while (rc == 0 && more) {
		rc = list_page(s, &r, op, e);
		if (rc == 0)
			rc = s3list_parse(buf_bytes(&r.page),
			    buf_len(&r.page), &r.query, deliver, &d, &more,
			    next, e);
		if (rc == 0)
			memcpy(marker, next, sizeof(marker));
	}
	buf_release(&r.page);
	return rc;
}

static int
s3_check(struct store *base, uint64_t room, const struct store_op *op,
    struct err *e)
{
	struct store_s3 *s = self(base);
	struct s3request r = { .query = { s->prefix, "", false },
	    .page_keys = 1 };
	int		 rc;

	(void)room;	/* S3 does not say */
	rc = list_page(s, &r, op, e);
	buf_release(&r.page);
	return rc;
}

/* --- Single objects. --- */

static int
s3_head(struct store *base, const char *key, uint64_t *size,
    const struct store_op *op, struct err *e)
{
	struct store_s3 *s = self(base);
	char		 full[FULL_KEY_MAX];
	struct s3request r = { .verb = S3VERB_HEAD, .key = full };
	struct err	 not_found;
	int		 rc;

	full_key(s, key, full);
	rc = s3client_perform(&s->client, &r, op, e);
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

static int
s3_remove(struct store *base, const char *key, const struct store_op *op,
    struct err *e)
{
	struct store_s3 *s = self(base);
	char		 full[FULL_KEY_MAX];
	struct s3request r = { .verb = S3VERB_DELETE, .key = full };

	full_key(s, key, full);
	return s3client_perform(&s->client, &r, op, e);
}

/* --- Writing. --- */

/* What is put: its length and MD5. */
struct content {
	uint64_t	len;
	char		md5[MD5_TEXT_MAX];
};

/* Reads the parts once more for it. */
static int
measure(const struct store_part *parts, size_t n, struct content *x,
    struct err *e)
{
	struct store_source source = { .parts = parts, .n = n };
	struct md5	*m = md5_new();
	char		 chunk[16384];
	size_t		 k = 1;
	int		 rc = 0, ended;

	x->len = 0;
	while (m != NULL && rc == 0 && k > 0) {
		rc = store_source_read(&source, chunk, sizeof(chunk), &k, e);
		if (rc == 0)
			md5_add(m, chunk, k);
		x->len += rc == 0 ? k : 0;
	}
	ended = md5_text(m, x->md5);
	if (rc != 0)
		return rc;
	return ended == 0 ? 0 : err_set(e, ended, "cannot compute an MD5");
}

static int
to_md5(void *arg, const void *bytes, size_t n, struct err *e)
{
	(void)e;
	md5_add(arg, bytes, n);
	return 0;
}

/* For a store that encrypts, and so has ETags of its own. */
static int
read_back(struct store *base, const char *key, const struct content *x,
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

static int
accept_length(struct s3request *r, struct err *e)
{
	const struct content *x = r->arg;

	return r->length == x->len ? 0 : err_set(e, ERR_STORE,
	    "%llu bytes were stored and %llu are there",
	    (unsigned long long)x->len, (unsigned long long)r->length);
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
confirm_put(struct store *base, const char *key, struct content *x,
    bool *same, const struct store_op *op, struct err *e)
{
	char		 full[FULL_KEY_MAX], etag[MD5_TEXT_MAX];
	struct s3request r = { .verb = S3VERB_HEAD, .key = full,
	    .accept = accept_length, .refusals = LENGTH_TRIES, .arg = x };
	int		 rc;

	full_key(self(base), key, full);
	rc = s3client_perform(&self(base)->client, &r, op, e);
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
	struct content	 x;
	char		 full[FULL_KEY_MAX];
	struct s3request r = { .verb = S3VERB_PUT, .key = full,
	    .source = { .parts = parts, .n = n }, .md5 = x.md5 };
	bool		 same = false;
	int		 try, rc;

	full_key(s, key, full);
	rc = measure(parts, n, &x, e);
	r.len = x.len;
	for (try = 0; try < PUT_TRIES && rc == 0; try++) {
		rc = s3client_perform(&s->client, &r, op, e);
		if (rc == 0)
			rc = confirm_put(base, key, &x, &same, op, e);
		if (rc == 0 && same)
			return 0;
	}
	if (rc == 0 && r.unsure)
		return s3client_explain(&s->client, &r, e);
	return rc != 0 ? rc : err_set(e, ERR_STORE, "%s took %s and does not "
	    "have it", base->name, key);
}

/* --- Life cycle. --- */

static void
s3_close(struct store *base)
{
	struct store_s3	*s = self(base);

	s3client_release(&s->client);
	free(s);
}

static const struct store_ops s3_ops = {
	s3_close, s3_put, s3_read, s3_head, s3_list, s3_remove, s3_check,
	NULL
};

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
	struct store_s3 *s = calloc(1, sizeof(*s));
	int		 rc;

	if (s == NULL)
		return err_set(e, ERR_NOMEM, "no memory for a repository");
	rc = s3client_init(&s->client, c, e);
	if (rc != 0) {
		free(s);
		return rc;
	}
	s->base.ops = &s3_ops;
	set_prefix(s, c->path);
	snprintf(s->base.name, sizeof(s->base.name), "s3://%s/%.255s at %s",
	    s->client.bucket, s->prefix, s->client.host);
	s->client.name = s->base.name;
	*out = &s->base;
	return 0;
}
