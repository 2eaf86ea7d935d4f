/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/progress.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/text.h"

#define INTERVAL_US	100000

void
progress_init(struct progress *p, bool on)
{
	p->on = on;
	atomic_init(&p->shown, false);
	atomic_init(&p->next, 0);
	atomic_init(&p->measured, false);
	p->what[0] = '\0';
	p->began = p->from = 0;
}

/* Not by multiplying first: sizes may be large. */
static int64_t
share(int64_t done, int64_t total, int of)
{
	return (int64_t)((double)done / (double)total * of);
}

static void
put_bar(struct buf *out, const struct progress_state *p, int cells)
{
	int64_t	full = share(p->done, p->total, cells);
	int	i;

	buf_append_u8(out, '[');
	for (i = 0; i < cells; i++)
		buf_append_u8(out, i < full ? '#' : '.');
	buf_append_str(out, "] ");
}

/* One of the forms below, from the longest to the shortest. */
static void
put_form(struct buf *out, const struct progress_state *p, int cells,
    bool sizes, bool left)
{
	char	some[TEXT_NUMBER_MAX], all[TEXT_NUMBER_MAX];

	buf_printf(out, "%s  ", p->what);
	if (cells > 0)
		put_bar(out, p, cells);
	buf_printf(out, "%3d %%", (int)share(p->done, p->total, 100));
	if (sizes)
		buf_printf(out, "  %s of %s", text_print_size_short(p->done,
		    some), text_print_size_short(p->total, all));
	if (left)
		buf_printf(out, "  %s left", text_print_time_short(p->left,
		    some));
}

static void
put_total(struct buf *out, const struct progress_state *p)
{
	static const struct {
		int	cells;
		bool	sizes, left;
	} forms[] = {
		{ 30, true, true }, { 30, true, false }, { 10, true, false },
		{ 10, false, false }, { 0, false, false }
	};
	size_t	i;

	for (i = 0; i < ARRAY_LEN(forms); i++) {
		if (forms[i].left && p->left <= 0)
			continue;
		buf_clear(out);
		put_form(out, p, forms[i].cells, forms[i].sizes,
		    forms[i].left);
		if (buf_len(out) <= p->width)
			return;
	}
}

void
progress_line(struct buf *out, const struct progress_state *given)
{
	struct progress_state p = *given;
	struct buf	line = { 0 };
	char		text[TEXT_NUMBER_MAX];

	if (p.total > 0) {
		p.done = MAX(MIN(p.done, p.total), 0);
		put_total(&line, &p);
	} else {
		buf_append_str(&line, p.what);
		if (p.done > 0)
			buf_printf(&line, "  %s", text_print_size_short(p.done,
			    text));
	}
	buf_append(out, buf_cstr(&line), MIN(buf_len(&line), p.width));
	buf_release(&line);
}

static size_t
terminal_width(void)
{
	struct winsize	w;

	/* One less: a cursor behind the last column wraps. */
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0)
		return (size_t)w.ws_col - 1;
	return 79;
}

/* By what was done in this phase; 0 until that says something. */
static int64_t
time_left(struct progress *p, const struct progress_state *s, int64_t now)
{
	int64_t	done;

	if (strcmp(p->what, s->what) != 0) {
		snprintf(p->what, sizeof(p->what), "%s", s->what);
		p->began = now;
		p->from = s->done;
	}
	done = s->done - p->from;
	if (now - p->began < 2 * TEXT_USEC_PER_SEC || done <= 0 ||
	    s->done >= s->total)
		return 0;
	return (int64_t)((double)(now - p->began) / (double)done *
	    (double)(s->total - s->done));
}

void
progress_draw(struct progress *p, const char *what, int64_t done,
    int64_t total)
{
	struct progress_state state = { .what = what, .done = done,
	    .total = total };
	struct buf	line = { 0 };
	long long	now, due;

	if (!p->on)
		return;
	now = clock_us();
	due = atomic_load(&p->next);
	if (total > 0 && !atomic_exchange(&p->measured, true))
		now = MAX(now, due);
	/* One of several threads wins; none else draws until it is done. */
	if (now < due || due == LLONG_MAX || !atomic_compare_exchange_strong(&p->next, &due,
	    LLONG_MAX))
		return;
	state.left = time_left(p, &state, now);
	state.width = terminal_width();
	progress_line(&line, &state);
	fprintf(stderr, "\r%s\033[K", buf_cstr(&line));
	atomic_store(&p->shown, true);
	buf_release(&line);
	atomic_store(&p->next, now + INTERVAL_US);
}

void
progress_clear(struct progress *p)
{
	if (atomic_exchange(&p->shown, false))
		fputs("\r\033[K", stderr);
}
