/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/repo.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "archiver/segment.h"
#include "archiver/settings.h"
#include "common/digest.h"
#include "common/err.h"

static int
open_s3(const struct settings_repo *r, int number, struct store **out,
    struct err *e)
{
	struct store_s3_config c = { number, r->s3_endpoint, r->s3_bucket, r->path,
	    r->s3_key, r->s3_key_secret, r->s3_uri_style == URI_STYLE_HOST };
	const struct {
		const char *value, *name;
	} needed[] = {
		{ c.endpoint, "endpoint" }, { c.bucket, "bucket" },
		{ c.key, "key" }, { c.secret, "key-secret" }
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(needed); i++) {
		if (needed[i].value != NULL)
			continue;
		err_set(e, ERR_CONFIG, "repo%d-s3-%s is not set", number,
		    needed[i].name);
		err_hint(e, "a repository of type s3 needs repo%d-s3-endpoint, "
		    "-bucket, -key and -key-secret", number);
		return ERR_CONFIG;
	}
	return store_s3_open(out, &c, e);
}

int
repos_open(const struct settings *s, struct repo *out, size_t *n,
    struct err *e)
{
	size_t	count = 0;
	int	i, rc = 0;

	for (i = 0; i < SETTINGS_REPO_MAX && rc == 0; i++) {
		const struct settings_repo *r = &s->repo[i];

		if (!s->has_repo[i])
			continue;
		out[count] = (struct repo){ .number = i + 1,
		    .required = r->required, .local = r->type != REPO_S3,
		    .io_timeout = s->o.io_timeout };
		rc = r->type == REPO_S3 ?
		    open_s3(r, i + 1, &out[count].store, e) :
		    store_dir_open(&out[count].store, r->path, e);
		if (rc == 0)
			count++;
	}
	if (rc == 0 && count == 0) {
		err_set(e, ERR_CONFIG, "no repository is configured");
		err_hint(e, access(s->o.config, R_OK) == 0 ?
		    "set repo1-path, or repo1-type=s3 and its options, in "
		    "section [global] of %s" : "%s is not there: write it, "
		    "with repo1-path or repo1-type=s3 in section [global]",
		    s->o.config);
		rc = ERR_CONFIG;
	}
	if (rc != 0) {
		repos_close(out, count);
		return rc;
	}
	*n = count;
	return 0;
}

void
repos_close(struct repo *r, size_t n)
{
	while (n > 0)
		store_close(r[--n].store);
}

char *
repo_key_wal(char *out, const char *stanza, uint64_t system_id,
    const struct segment_name *name, const struct digest *digest)
{
	char hex[DIGEST_HEX_LEN + 1] = "", dir[32] = "history";

	if (digest != NULL)
		digest_hex(digest, hex);
	if (name->kind == SEGMENT_FULL)
		snprintf(dir, sizeof(dir), "%08" PRIX32 "/%08" PRIX32,
		    name->tli, name->hi);
	snprintf(out, STORE_KEY_MAX, "%s/wal/%" PRIu64 "/%s/%s-%s", stanza,
	    system_id, dir, name->file, hex);
	return out;
}

struct claims {
	bool	any, ours;
	size_t	prefix_len;
	char	wanted[64];
};

static int
note_claim(void *arg, const struct store_entry *entry)
{
	struct claims	*c = arg;
	const char	*name = entry->key + c->prefix_len;

	c->any = true;
	c->ours |= strncmp(name, c->wanted, strlen(c->wanted)) == 0;
	return 0;
}

int
repo_check_claim(const struct repo *r, const char *stanza, uint64_t system_id,
    int version, const struct store_limits *limits, struct err *e)
{
	struct claims	c = { .any = false };
	char		prefix[STORE_KEY_MAX];
	int		rc;

	snprintf(prefix, sizeof(prefix), "%.400s/id/", stanza);
	c.prefix_len = strlen(prefix);
	snprintf(c.wanted, sizeof(c.wanted), "%" PRIu64 "-", system_id);
	if (version != 0)
		snprintf(c.wanted, sizeof(c.wanted), "%" PRIu64 "-%d",
		    system_id, version);
	rc = store_list(r->store, prefix, false, note_claim, &c, limits, e);
	if (rc != 0)
		return rc;
	if (c.ours)
		return 0;
	if (!c.any) {
		err_set(e, ERR_MISMATCH, "stanza %s does not exist in repo%d "
		    "(%s)", stanza, r->number, store_name(r->store));
		err_hint(e, "run \"homelab-archiver --stanza=%s "
		    "stanza-create\" once", stanza);
		return ERR_MISMATCH;
	}
	err_set(e, ERR_MISMATCH, "stanza %s in repo%d (%s) belongs to another "
	    "cluster than %" PRIu64, stanza, r->number, store_name(r->store),
	    system_id);
	err_hint(e, "use another --stanza for this cluster; after pg_upgrade "
	    "run stanza-upgrade; a clone must not archive into its source's "
	    "stanza");
	return ERR_MISMATCH;
}
