/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/options.h"
#include "tests/unit/unit.h"

#include <string.h>

#include "common/buf.h"
#include "common/err.h"

START_TEST(tables_are_sound)
{
	const struct opt_table	*const tables[] = { &pooler_option_table,
	    &pooler_db_table, &pooler_user_table };
	struct err		 e = { 0 };
	size_t			 i;

	for (i = 0; i < ARRAY_LEN(tables); i++)
		ck_assert_msg(opt_check(tables[i], &e) == 0, "%s", e.msg);
}
END_TEST

/* SHOW CONFIG of PgBouncer 1.26.1: name, default, changeable. */
static const struct {
	const char	*name, *def, *changeable;
} peer[] = {
	{ "admin_users", "", "yes" },
	{ "application_name_add_host", "0", "yes" },
	{ "auth_dbname", NULL, "yes" },
	{ "auth_file", NULL, "yes" },
	{ "auth_hba_file", "", "yes" },
	{ "auth_ident_file", NULL, "yes" },
	{ "auth_ldap_options", NULL, "yes" },
	{ "auth_query", "SELECT rolname, CASE WHEN rolvaliduntil < now() THEN "
	    "NULL ELSE rolpassword END FROM pg_authid WHERE rolname=$1 AND "
	    "rolcanlogin", "yes" },
	{ "auth_type", "md5", "yes" },
	{ "auth_user", NULL, "yes" },
	{ "autodb_idle_timeout", "3600", "yes" },
	{ "cancel_wait_timeout", "10", "yes" },
	{ "client_idle_timeout", "0", "yes" },
	{ "client_login_timeout", "60", "yes" },
	{ "client_tls13_ciphers", NULL, "yes" },
	{ "client_tls_ca_file", "", "yes" },
	{ "client_tls_cert_file", "", "yes" },
	{ "client_tls_ciphers", "default", "yes" },
	{ "client_tls_dheparams", "auto", "yes" },
	{ "client_tls_ecdhcurve", "auto", "yes" },
	{ "client_tls_key_file", "", "yes" },
	{ "client_tls_protocols", "secure", "yes" },
	{ "client_tls_sslmode", "disable", "yes" },
	{ "conffile", NULL, "yes" },
	{ "default_pool_size", "20", "yes" },
	{ "disable_pqexec", "0", "no" },
	{ "dns_max_ttl", "15", "yes" },
	{ "dns_nxdomain_ttl", "15", "yes" },
	{ "dns_zone_check_period", "0", "yes" },
	{ "idle_transaction_timeout", "0", "yes" },
	{ "ignore_startup_parameters", "", "yes" },
	{ "job_name", "pgbouncer", "no" },
	{ "listen_addr", "", "no" },
	{ "listen_backlog", "128", "no" },
	{ "listen_port", "6432", "no" },
	{ "log_connections", "1", "yes" },
	{ "log_disconnections", "1", "yes" },
	{ "log_pooler_errors", "1", "yes" },
	{ "log_stats", "1", "yes" },
	{ "logfile", "", "yes" },
	{ "login_notify_message", "", "yes" },
	{ "max_client_conn", "100", "yes" },
	{ "max_db_client_connections", "0", "yes" },
	{ "max_db_connections", "0", "yes" },
	{ "max_packet_size", "2147483647", "yes" },
	{ "max_prepared_statements", "200", "yes" },
	{ "max_user_client_connections", "0", "yes" },
	{ "max_user_connections", "0", "yes" },
	{ "min_pool_size", "0", "yes" },
	{ "peer_id", "0", "yes" },
	{ "pidfile", "", "no" },
	{ "pkt_buf", "4096", "no" },
	{ "pool_idle_timeout", "0", "yes" },
	{ "pool_mode", "session", "yes" },
	{ "query_timeout", "0", "yes" },
	{ "query_wait_notify", "5", "yes" },
	{ "query_wait_timeout", "120", "yes" },
	{ "reserve_pool_size", "0", "yes" },
	{ "reserve_pool_timeout", "5", "yes" },
	{ "resolv_conf", "", "no" },
	{ "sbuf_loopcnt", "5", "yes" },
	{ "scram_iterations", "4096", "yes" },
	{ "server_check_delay", "30", "yes" },
	{ "server_check_query", "<empty>", "yes" },
	{ "server_connect_timeout", "15", "yes" },
	{ "server_fast_close", "0", "yes" },
	{ "server_idle_timeout", "600", "yes" },
	{ "server_lifetime", "3600", "yes" },
	{ "server_login_retry", "15", "yes" },
	{ "server_reset_query", "DISCARD ALL", "yes" },
	{ "server_reset_query_always", "0", "yes" },
	{ "server_round_robin", "0", "yes" },
	{ "server_tls13_ciphers", NULL, "yes" },
	{ "server_tls_ca_file", "", "yes" },
	{ "server_tls_cert_file", "", "yes" },
	{ "server_tls_ciphers", "default", "yes" },
	{ "server_tls_key_file", "", "yes" },
	{ "server_tls_protocols", "secure", "yes" },
	{ "server_tls_sslmode", "prefer", "yes" },
	{ "so_reuseport", "0", "no" },
	{ "stats_period", "60", "yes" },
	{ "stats_users", "", "yes" },
	{ "syslog", "0", "yes" },
	{ "syslog_facility", "daemon", "yes" },
	{ "syslog_ident", "pgbouncer", "yes" },
	{ "tcp_defer_accept", "1", "yes" },
	{ "tcp_keepalive", "1", "yes" },
	{ "tcp_keepcnt", "0", "yes" },
	{ "tcp_keepidle", "0", "yes" },
	{ "tcp_keepintvl", "0", "yes" },
	{ "tcp_socket_buffer", "0", "yes" },
	{ "tcp_user_timeout", "0", "yes" },
	{ "track_extra_parameters", "", "no" },
	{ "transaction_timeout", "0", "yes" },
	{ "unix_socket_dir", "/tmp", "no" },
	{ "unix_socket_group", "", "no" },
	{ "unix_socket_mode", "0777", "no" },
	{ "user", NULL, "no" },
};

/* What we have beyond it. */
static const char *const ours[] = {
	"admin_group", "cancel_drain_timeout", "handover_skew",
	"hold_deadline", "hold_timeout", "io_backend", "worker_threads"
};

static bool
is_ours(const char *name)
{
	size_t	i;

	for (i = 0; i < ARRAY_LEN(ours); i++) {
		if (strcmp(ours[i], name) == 0)
			return true;
	}
	return false;
}

START_TEST(keys_of_the_peer)
{
	const struct opt	*rows[200];
	size_t			 n, i, k = 0;

	ck_assert_uint_eq(ARRAY_LEN(peer), 98);
	n = options_in_show_order(rows, ARRAY_LEN(rows));
	/* Its 99th is verbose, which it has no default for. */
	ck_assert_uint_eq(n, 99 + ARRAY_LEN(ours));
	for (i = 0; i < n; i++) {
		if (is_ours(rows[i]->name) ||
		    strcmp(rows[i]->name, "verbose") == 0)
			continue;
		ck_assert_str_eq(rows[i]->name, peer[k].name);
		if (peer[k].def == NULL)
			ck_assert_ptr_null(rows[i]->def);
		else
			ck_assert_str_eq(rows[i]->def, peer[k].def);
		ck_assert_str_eq(rows[i]->flags & OPT_RELOAD ? "yes" : "no",
		    peer[k].changeable);
		k++;
	}
	ck_assert_uint_eq(k, ARRAY_LEN(peer));
	ck_assert_uint_eq(options_in_show_order(rows, 3), n);
	/* On Linux there is none of these. */
	ck_assert_ptr_null(opt_find(&pooler_option_table, "service_name",
	    NULL));
}
END_TEST

START_TEST(values_as_show_config_prints_them)
{
	static const struct {
		const char	*key, *text, *shown;
	} v[] = {
		{ "unix_socket_mode", "0777", "511" },
		{ "unix_socket_mode", "0x1ff", "511" },
		{ "query_wait_timeout", "1.5", "1.5" },
		{ "query_wait_timeout", "1000000", "1e+06" },
		{ "pool_mode", "TransAction", "transaction" },
		{ "auth_type", "SCRAM-SHA-256", "scram-sha-256" },
		{ "admin_users", "a, b ,c", "a, b ,c" },
		{ "max_packet_size", "4294967295", "4294967295" },
		{ "handover_skew", "2ms", "0.002" },
		{ "syslog_facility", "LOCAL3", "local3" },
		{ "pkt_buf", "75", "75" }, { "tcp_defer_accept", "45", "45" },
		{ "tcp_keepalive", "5", "1" },
		{ "server_check_query", "", "" },
	};
	struct options	 o;
	struct buf	 b = { 0 };
	size_t		 i;

	ck_assert_int_eq(opt_init(&pooler_option_table, &o, NULL), 0);
	for (i = 0; i < ARRAY_LEN(v); i++) {
		const struct opt *row = opt_find(&pooler_option_table,
		    v[i].key, NULL);

		ck_assert_int_eq(opt_set(&pooler_option_table, row, &o,
		    v[i].text, NULL), 0);
		buf_clear(&b);
		opt_show(&pooler_option_table, row, &o, &b);
		ck_assert_str_eq(buf_cstr(&b), v[i].shown);
	}
	buf_release(&b);
	opt_release(&pooler_option_table, &o);
}
END_TEST

START_TEST(words)
{
	ck_assert_str_eq(options_pool_mode_name(POOL_MODE_TRANSACTION),
	    "transaction");
	ck_assert_str_eq(options_load_balance_name(LOAD_BALANCE_DISABLE),
	    "disable");
	ck_assert_str_eq(options_facility_name(2), "daemon");
}
END_TEST

UNIT_MAIN("options", tables_are_sound, keys_of_the_peer,
    values_as_show_config_prints_them, words)
