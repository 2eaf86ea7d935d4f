/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/admin_impl.h"

#include <stdio.h>
#include <string.h>

#include "pooler/control.h"
#include "pooler/table.h"

/* The counters of one database, as they are and as averages. */
struct reading {
	const char	*name;
	struct stats_sum now, average;
};

struct sums {
	struct reading	*row;
	size_t		 n;
	struct reading	 all;
};

static int
by_name(const void *a, const void *b)
{
	const struct reading *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static bool
is_zero(const struct stats_sum *s)
{
	static const struct stats_sum zero;

	return memcmp(s, &zero, sizeof(zero)) == 0;
}

/* A database counts once it has had a pool. */
static bool
take_readings(struct control *p, struct sums *out)
{
	uint64_t	  period = loop_now(&p->loop) -
	    p->readings.older_at;
	struct stats_sum  older = { 0 };
	struct list_node *n, *tmp;
	bool		  ok;

	memset(out, 0, sizeof(*out));
	pthread_mutex_lock(&p->shared.registry.lock);
	out->row = calloc(list_count(&p->shared.registry.databases) + 1,
	    sizeof(*out->row));
	ok = out->row != NULL;
	LIST_FOREACH(n, tmp, &p->shared.registry.databases) {
		struct database *db = container_of(n, struct database,
		    list_node);
		struct reading	*r = ok ? &out->row[out->n] : NULL;

		if (!ok)
			break;
		readings_read(&p->shared.registry, db, &r->now);
		if (list_empty(&db->pools) && is_zero(&r->now))
			continue;
		r->name = db->name;
		stats_average(&r->average, &r->now, &db->older, period);
		stats_sum_plus(&out->all.now, &r->now);
		stats_sum_plus(&older, &db->older);
		out->n++;
	}
	pthread_mutex_unlock(&p->shared.registry.lock);
	stats_average(&out->all.average, &out->all.now, &older, period);
	if (ok && out->n > 0)
		qsort(out->row, out->n, sizeof(*out->row), by_name);
	return ok;
}

static void
put_sum(struct table *t, const struct stats_sum *s)
{
#define X(name) table_uint(t, s->name);
	STATS_COUNTERS(X)
#undef X
}

/* Totals, averages, or both. */
static void
show(struct admin_request *r, const char *columns, bool totals, bool averages)
{
	struct sums all;
	struct table	t;
	size_t		i;

	if (!take_readings(r->control, &all)) {
		admin_error(r, "no mem");
		return;
	}
	table_begin(&t, &r->ask.answer, columns);
	for (i = 0; i < all.n; i++) {
		table_row(&t);
		table_text(&t, all.row[i].name);
		if (totals)
			put_sum(&t, &all.row[i].now);
		if (averages)
			put_sum(&t, &all.row[i].average);
	}
	table_end(&t, "SHOW");
	free(all.row);
	admin_done(r, NULL);
}

void
admin_show_stats(struct admin_request *r)
{
	show(r, "s:database N:total_server_assignment_count N:total_xact_count "
	    "N:total_query_count N:total_received N:total_sent "
	    "N:total_xact_time N:total_query_time N:total_wait_time "
	    "N:total_client_parse_count N:total_server_parse_count "
	    "N:total_bind_count N:total_client_login_count "
	    "N:avg_server_assignment_count N:avg_xact_count N:avg_query_count "
	    "N:avg_recv N:avg_sent N:avg_xact_time N:avg_query_time "
	    "N:avg_wait_time N:avg_client_parse_count "
	    "N:avg_server_parse_count N:avg_bind_count "
	    "N:avg_client_login_count", true, true);
}

void
admin_show_stats_totals(struct admin_request *r)
{
	show(r, "s:database N:server_assignment_count N:xact_count "
	    "N:query_count N:bytes_received N:bytes_sent N:xact_time "
	    "N:query_time N:wait_time N:client_parse_count "
	    "N:server_parse_count N:bind_count N:client_login_count",
	    true, false);
}

void
admin_show_stats_averages(struct admin_request *r)
{
	/* Only the last four have the prefix: as in PgBouncer. */
	show(r, "s:database N:server_assignment_count N:xact_count "
	    "N:query_count N:bytes_received N:bytes_sent N:xact_time "
	    "N:query_time N:wait_time N:avg_client_parse_count "
	    "N:avg_server_parse_count N:avg_bind_count "
	    "N:avg_client_login_count", false, true);
}

static void
put_pairs(struct table *t, const char *prefix, const struct stats_sum *s)
{
	static const char *const names[] = { "server_assignment_count",
	    "xact_count", "query_count", "client_bytes", "server_bytes",
	    "xact_time", "query_time", "wait_time", "ps_client_parse_count",
	    "ps_server_parse_count", "ps_bind_count", "client_login_count" };
	char	name[64];
	size_t	i = 0;

#define X(counter) \
	snprintf(name, sizeof(name), "%s%s", prefix, names[i++]); \
	table_row(t); \
	table_text(t, name); \
	table_uint(t, s->counter);
	STATS_COUNTERS(X)
#undef X
	assert(i == ARRAY_LEN(names));
}

void
admin_show_totals(struct admin_request *r)
{
	struct sums all;
	struct table	t;

	if (!take_readings(r->control, &all)) {
		admin_error(r, "no mem");
		return;
	}
	table_begin(&t, &r->ask.answer, "s:name N:value");
	put_pairs(&t, "total_", &all.all.now);
	put_pairs(&t, "avg_", &all.all.average);
	table_end(&t, "SHOW");
	free(all.row);
	admin_done(r, NULL);
}
