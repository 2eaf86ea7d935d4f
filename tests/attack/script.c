/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "tests/attack/script.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire.h"

#define LINE_LEN	65536

static void *
must(void *p)
{
	if (p == NULL) {
		fputs("differ: out of memory\n", stderr);
		exit(2);
	}
	return p;
}

void
script_add(struct script *s, char type, ...)
{
	struct step *t;
	const char *field;
	va_list	ap;

	if (s->n == SCRIPT_STEPS)
		return;
	t = &s->step[s->n++];
	*t = (struct step){ .type = type };
	va_start(ap, type);
	while ((field = va_arg(ap, const char *)) != SCRIPT_END &&
	    t->n < STEP_FIELDS)
		t->field[t->n++] = field == NULL ? NULL : must(strdup(field));
	va_end(ap);
}

void
script_copy(struct script *to, const struct script *from)
{
	size_t	i;
	int	k;

	*to = *from;
	for (i = 0; i < to->n; i++)
		for (k = 0; k < to->step[i].n; k++)
			if (to->step[i].field[k] != NULL)
				to->step[i].field[k] =
				    must(strdup(from->step[i].field[k]));
}

static void
free_step(struct step *t)
{
	while (t->n > 0)
		free(t->field[--t->n]);
}

void
script_remove(struct script *s, size_t at, size_t n)
{
	size_t	i;

	for (i = at; i < at + n; i++)
		free_step(&s->step[i]);
	memmove(&s->step[at], &s->step[at + n],
	    (s->n - at - n) * sizeof(s->step[0]));
	s->n -= n;
}

void
script_release(struct script *s)
{
	script_remove(s, 0, s->n);
}

/* ---- as text ---- */

static void
print_field(const char *f, FILE *out)
{
	if (f == NULL) {
		fputs("\\N", out);
		return;
	}
	for (; *f != '\0'; f++) {
		if (*f == '\t')
			fputs("\\t", out);
		else if (*f == '\n')
			fputs("\\n", out);
		else if (*f == '\\')
			fputs("\\\\", out);
		else
			putc(*f, out);
	}
}

void
script_print(const struct script *s, FILE *out)
{
	size_t	i;
	int	k;

	fprintf(out, "mode\tpieces\t%zu\t%llu\n", s->piece,
	    (unsigned long long)s->seed);
	for (i = 0; i < s->n; i++) {
		putc(s->step[i].type, out);
		for (k = 0; k < s->step[i].n; k++) {
			putc('\t', out);
			print_field(s->step[i].field[k], out);
		}
		putc('\n', out);
	}
}

/* In place; NULL for \N. */
static char *
unescape(char *f)
{
	char	*from = f, *to = f;

	if (strcmp(f, "\\N") == 0)
		return NULL;
	for (; *from != '\0'; from++) {
		if (*from == '\\' && from[1] != '\0') {
			from++;
			*to++ = *from == 't' ? '\t' : *from == 'n' ? '\n' :
			    *from;
		} else {
			*to++ = *from;
		}
	}
	*to = '\0';
	return f;
}

static bool
parse_line(struct script *s, char *line)
{
	unsigned long long seed;
	struct step *t;
	char	*field, *next;

	if (sscanf(line, "mode\tpieces\t%zu\t%llu", &s->piece, &seed) == 2) {
		s->seed = seed;
		return true;
	}
	if (line[0] == '\0' || (line[1] != '\0' && line[1] != '\t') ||
	    s->n == SCRIPT_STEPS)
		return false;
	t = &s->step[s->n++];
	*t = (struct step){ .type = line[0] };
	for (field = line[1] == '\0' ? NULL : line + 2; field != NULL;
	    field = next) {
		next = strchr(field, '\t');
		if (next != NULL)
			*next++ = '\0';
		if (t->n == STEP_FIELDS)
			return false;
		field = unescape(field);
		t->field[t->n++] = field == NULL ? NULL : must(strdup(field));
	}
	return true;
}

bool
script_parse(struct script *s, FILE *in)
{
	char	*line = must(malloc(LINE_LEN));
	bool	ok = true;

	memset(s, 0, sizeof(*s));
	while (ok && fgets(line, LINE_LEN, in) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#')
			continue;
		ok = parse_line(s, line);
		if (!ok)
			fprintf(stderr, "differ: not a step: %s\n", line);
	}
	free(line);
	return ok;
}

/* ---- as bytes ---- */

bool
step_is_message(const struct step *t)
{
	return t->type != 'w' && t->type != 'k' && t->type != 'n';
}

static const char *
field(const struct step *t, int i)
{
	return i < t->n && t->field[i] != NULL ? t->field[i] : "";
}

/* {x*1000} becomes a thousand x. */
static void
put_text(struct buf *b, const char *f)
{
	unsigned n;
	int	used;
	char	c;

	while (*f != '\0') {
		used = 0;
		if (sscanf(f, "{%c*%u}%n", &c, &n, &used) == 2 && used > 0) {
			while (n-- > 0)
				buf_append_u8(b, (uint8_t)c);
			f += used;
		} else {
			buf_append_u8(b, (uint8_t)*f++);
		}
	}
}

static void
put_cstr(struct buf *b, const char *f)
{
	put_text(b, f);
	buf_append_u8(b, 0);
}

static void
put_values(const struct step *t, int from, struct buf *b)
{
	size_t	at;
	int	i;

	buf_append_be16(b, (uint16_t)(t->n > from ? t->n - from : 0));
	for (i = from; i < t->n; i++) {
		at = buf_len(b);
		buf_append_be32(b, UINT32_MAX);
		if (t->field[i] == NULL)
			continue;
		put_text(b, t->field[i]);
		buf_put_be32_at(b, at, (uint32_t)(buf_len(b) - at - 4));
	}
}

static void
put_body(const struct step *t, struct buf *b)
{
	int	i;

	switch (t->type) {
	case WIRE_FE_QUERY:
	case WIRE_FE_COPY_FAIL:
		put_cstr(b, field(t, 0));
		break;
	case WIRE_FE_PARSE:
		put_cstr(b, field(t, 0));
		put_cstr(b, field(t, 1));
		buf_append_be16(b, (uint16_t)(t->n > 2 ? t->n - 2 : 0));
		for (i = 2; i < t->n; i++)
			buf_append_be32(b, (uint32_t)atoi(field(t, i)));
		break;
	case WIRE_FE_BIND:
		put_cstr(b, field(t, 0));
		put_cstr(b, field(t, 1));
		buf_append_be16(b, 0);
		put_values(t, 3, b);
		buf_append_be16(b, 1);
		buf_append_be16(b, *field(t, 2) == 'b');
		break;
	case WIRE_FE_DESCRIBE:
	case WIRE_FE_CLOSE:
		buf_append_u8(b, (uint8_t)*field(t, 0));
		put_cstr(b, field(t, 1));
		break;
	case WIRE_FE_EXECUTE:
		put_cstr(b, field(t, 0));
		buf_append_be32(b, (uint32_t)atoi(field(t, 1)));
		break;
	case WIRE_FE_FUNCTION_CALL:
		buf_append_be32(b, (uint32_t)atoi(field(t, 0)));
		buf_append_be16(b, 0);
		put_values(t, 1, b);
		buf_append_be16(b, 0);
		break;
	case WIRE_FE_COPY_DATA:
		put_text(b, field(t, 0));
		break;
	default:
		break;
	}
}

void
step_encode(const struct step *t, struct buf *b)
{
	size_t	at = buf_len(b);

	buf_append_u8(b, (uint8_t)t->type);
	buf_append_be32(b, 0);
	put_body(t, b);
	buf_put_be32_at(b, at + 1, (uint32_t)(buf_len(b) - at - 1));
}
