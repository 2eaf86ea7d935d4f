/* SPDX-License-Identifier: MIT */
/*
 * What happens when memory runs out, at each allocation in turn.
 *
 * The linker sends every malloc() of our archives here (see the Makefile);
 * allocations of libraries are left alone. A run with no failure counts the
 * allocations of a task, then the task runs once for each of them with just
 * that one failing: it must return ERR_NOMEM, or do its work without it.
 * Whatever leaks or is freed twice is found by the address sanitizer.
 */
#include "common/base.h"
#include "tests/unit/config_load.h"
#include "tests/unit/unit.h"

#include "common/conf.h"
#include "common/strmap.h"
#include "common/wire.h"
#include "pooler/auth.h"
#include "pooler/authfile.h"

void	*__real_malloc(size_t);
void	*__real_calloc(size_t, size_t);
void	*__real_realloc(void *, size_t);
char	*__real_strdup(const char *);
char	*__real_strndup(const char *, size_t);
void	*__wrap_malloc(size_t);
void	*__wrap_calloc(size_t, size_t);
void	*__wrap_realloc(void *, size_t);
char	*__wrap_strdup(const char *);
char	*__wrap_strndup(const char *, size_t);

static long	countdown = -1;		/* which one fails; -1: none */
static long	counted;

static bool
fails(void)
{
	counted++;
	return countdown >= 0 && countdown-- == 0;
}

void *
__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *
__wrap_realloc(void *p, size_t n)
{
	return fails() ? NULL : __real_realloc(p, n);
}

char *
__wrap_strdup(const char *s)
{
	return fails() ? NULL : __real_strdup(s);
}

char *
__wrap_strndup(const char *s, size_t n)
{
	return fails() ? NULL : __real_strndup(s, n);
}

/* For tasks: Check's own assertions allocate. */
#define CHECK(condition)	do { if (!(condition)) abort(); } while (0)

/* A task releases all it has, and returns 0 or a code. */
typedef int	task(void);

/* Returns how many of the failures the task could do without. */
static long
exhaust(task *t, long at_least)
{
	long	n, total, harmless = 0;
	int	rc;

	counted = 0;
	rc = t();
	total = counted;
	ck_assert_int_eq(rc, 0);
	ck_assert_int_ge(total, at_least);
	for (n = 0; n < total; n++) {
		countdown = n;
		rc = t();
		countdown = -1;
		ck_assert_msg(rc == 0 || rc == ERR_NOMEM,
		    "allocation %ld: %d", n, rc);
		harmless += rc == 0;
	}
	return harmless;
}

static char		 ini_path[TEMP_PATH_MAX];
static struct config	*running;

static int
load_config(void)
{
	struct config_source	 source = { .path = ini_path, .user = "u",
	    .running = running };
	struct config		*c = NULL;
	int			 rc = config_load(&source, &c, NULL);

	CHECK((rc == 0) == (c != NULL));
	config_free(c);
	return rc;
}

START_TEST(config_files)
{
	static const char	list[] = "\"a\" \"b\"\n\"a\" \"c\"\n\"d\" \"e\"\n";
	char			list_path[TEMP_PATH_MAX], text[1000];

	running = must_load("[pgbouncer]\nlisten_addr = a\nlisten_port=7\n");
	temp_write(list_path, list, strlen(list));
	snprintf(text, sizeof(text), "[pgbouncer]\nauth_file = %s\n"
	    "admin_users = a, b\nlisten_addr = b\npeer_id = 3\n[databases]\n"
	    "a = host=x,y password='x y'\nb = pool_size=3x\na = host=z\n"
	    "* =\n* = user=u\n'q' = connect_query='a very long value that "
	    "does not go through inih because it has a ; in it'\n[users]\n"
	    "u =\nv = pool_size=1\nu = pool_size=2\n[peers]\n[pgbouncer]\n",
	    list_path);
	temp_write(ini_path, text, strlen(text));
	/* A warning that could not be made is not worth a refusal. */
	ck_assert_int_le(exhaust(load_config, 100), 3);
	unlink(ini_path);
	unlink(list_path);
	config_free(running);
}
END_TEST

static int
keep_lines(void)
{
	struct conf	c = { 0 };
	int		rc = conf_load(ini_path, &c, NULL);

	CHECK((rc == 0) == (c.entry != NULL));
	conf_release(&c);
	return rc;
}

START_TEST(kept_lines)
{
	static const char text[] = "[a]\nk=v\nl=w\n[b]\nm=x\n'n o' = y";

	temp_write(ini_path, text, strlen(text));
	ck_assert_int_eq(exhaust(keep_lines, 20), 0);
	unlink(ini_path);
}
END_TEST

/* Sets, adds, copies: what fails leaves the old value whole. */
static int
change_options(void)
{
	const struct opt_table	*t = &pooler_option_table;
	const struct opt	*list = opt_find(t, "admin_users", NULL);
	const struct opt	*text = opt_find(t, "auth_file", NULL);
	struct options		 a = { 0 }, b = { 0 };
	int			 rc;

	rc = opt_init(t, &a, NULL);
	if (rc == 0)
		rc = opt_set(t, list, &a, "x, y", NULL);
	if (rc == 0) {
		rc = opt_add(t, list, &a, "z", NULL);
		CHECK(a.admin_users.n == (rc == 0 ? 3 : 2));
	}
	if (rc == 0) {
		rc = opt_set(t, text, &a, "file", NULL);
		CHECK((rc == 0) == (a.auth_file != NULL));
	}
	if (rc == 0) {
		rc = opt_copy(t, &b, &a, NULL);
		CHECK((rc == 0) == (b.auth_file != NULL));
	}
	opt_release(t, &a);
	opt_release(t, &b);
	return rc;
}

START_TEST(options)
{
	ck_assert_int_eq(exhaust(change_options, 50), 0);
}
END_TEST

static int
fill_map(void)
{
	static const char *const keys[] = { "a", "b", "c", "d", "e", "f", "g",
	    "h", "i", "j", "k", "l" };
	struct strmap	m = { 0 };
	size_t		i;
	int		rc = 0;

	for (i = 0; i < ARRAY_LEN(keys) && rc == 0; i++) {
		rc = strmap_put(&m, keys[i], &m);
		CHECK((strmap_get(&m, keys[i]) != NULL) == (rc == 0));
	}
	CHECK(i < 2 || strmap_get(&m, keys[0]) == &m);
	strmap_release(&m);
	return rc;
}

static int
fill_buffer(void)
{
	struct buf	b = { 0 };
	int		i, rc;

	for (i = 0; i < 100; i++)
		buf_printf(&b, "%d %s", i, "and so on");
	rc = buf_failed(&b) ? ERR_NOMEM : 0;
	/* What was there before the failure is still there. */
	CHECK(buf_len(&b) == 0 ||
	    strncmp(buf_cstr(&b), "0 and so on", 11) == 0);
	buf_release(&b);
	return rc;
}

START_TEST(maps_and_buffers)
{
	ck_assert_int_eq(exhaust(fill_map, 2), 0);
	ck_assert_int_eq(exhaust(fill_buffer, 4), 0);
}
END_TEST

static enum auth_method	login_method;
static const char	*login_secret;

/* Each message of one side for the other; the bodies are consumed. */
static enum auth_result
hand_over(struct buf *from, void *to, bool to_client, struct buf *reply)
{
	enum auth_result r = AUTH_MORE;
	struct wire_header h;
	const char	*body;

	while (r == AUTH_MORE && buf_len(from) > 0) {
		CHECK(wire_header_get(buf_bytes(from), buf_len(from), 10000,
		    &h) == 0);
		body = buf_bytes(from) + WIRE_HEADER_LEN;
		if (to_client)
			r = server_auth_message(to, body, h.body, reply, NULL);
		else
			r = client_auth_message(to, body, h.body, reply, NULL);
		buf_consume(from, WIRE_HEADER_LEN + h.body);
	}
	return r;
}

/* A whole login, client_auth and server_auth against each other. */
static int
log_in(void)
{
	static const unsigned char key[32], nonce[SCRAM_NONCE_LEN];
	struct client_auth_params p = { .method = login_method, .user = "al",
	    .known = true, .secret = login_secret, .iterations = 1,
	    .mock_key = key };
	struct auth_credentials given = { 0 }, kept = { 0 };
	struct client_auth a;
	struct server_auth s;
	struct buf	up = { 0 }, down = { 0 };
	enum auth_result r, there = AUTH_MORE;
	int		rc = ERR_NOMEM;

	server_auth_init(&s, "al", &given, nonce);
	r = client_auth_begin(&a, &p, &down, NULL);
	if (auth_credentials_set(&given, login_secret) != 0)
		goto out;
	while (r == AUTH_MORE) {
		there = hand_over(&down, &s, true, &up);
		if (there == AUTH_WORK)
			there = server_auth_worked(&s, scram_work_run(&s.work),
			    &up, NULL);
		if (there != AUTH_MORE)
			break;
		r = hand_over(&up, &a, false, &down);
		if (r == AUTH_WORK)
			r = client_auth_worked(&a, scram_work_run(&a.work),
			    &down, NULL);
	}
	CHECK(r != AUTH_FAIL || (a.reason != NULL && buf_len(&down) == 0));
	CHECK(there != AUTH_FAIL || (s.reason != NULL && buf_len(&up) == 0));
	if (r == AUTH_OK && hand_over(&down, &s, true, &up) == AUTH_OK) {
		rc = client_auth_take_credentials(&a, &kept);
		CHECK(rc != 0 || strcmp(buf_cstr(&kept.text),
		    login_secret) == 0);
	}
out:
	client_auth_release(&a);
	server_auth_release(&s);
	auth_credentials_release(&given);
	auth_credentials_release(&kept);
	buf_release(&up);
	buf_release(&down);
	return rc;
}

START_TEST(logins)
{
	/* One whose NUL needs an allocation of its own, too. */
	static const char *const secrets[] = { "gehe\xc3\xafm", "0123456789"
	    "012345678901234567890123456789012345678901234567890123" };
	size_t	i;

	for (i = 0; i < ARRAY_LEN(secrets); i++) {
		login_secret = secrets[i];
		for (login_method = AUTH_METHOD_PLAIN;
		    login_method <= AUTH_METHOD_SCRAM; login_method++)
			exhaust(log_in, 5);
	}
}
END_TEST

UNIT_MAIN("nomem", logins, config_files, kept_lines, options, maps_and_buffers)
