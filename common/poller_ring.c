/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/poller_ring.h"

#include <errno.h>
#include <liburing.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "common/poller_impl.h"

/* Requests gathered before they must be submitted. */
#define SQ_ENTRIES	256
/* Completions that the kernel keeps in shared memory; more is slower. */
#define CQ_ENTRIES	4096
#define BUFFER_GROUP	0
_Static_assert(RING_MORE == IORING_CQE_F_MORE, "the kernel's flag");
/* The data of requests whose own events say nothing. */
#define NO_DATA		0

/* A send or receive of several pieces, until it is submitted. */
struct pieces {
	struct msghdr msg;
	struct iovec  iov[RING_PIECES];
};

struct kernel_ring {
	struct io_uring ring;
	struct io_uring_buf_ring *buffers;
	struct pieces	pieces[SQ_ENTRIES];
	unsigned	n_pieces;
};

static int
open_kernel_ring(struct kernel_ring *k)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER |
		    IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
		    IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED,
		.cq_entries = CQ_ENTRIES
	};
	struct io_uring_buf_reg reg = {
		.ring_entries = RING_BUFFERS, .bgid = BUFFER_GROUP
	};
	const size_t size = RING_BUFFERS * sizeof(struct io_uring_buf);
	void	*mem;
	int	 r;

	r = io_uring_queue_init_params(SQ_ENTRIES, &k->ring, &params);
	if (r != 0)
		return r;
	r = posix_memalign(&mem, 4096, size);
	if (r != 0) {
		io_uring_queue_exit(&k->ring);
		return -r;
	}
	memset(mem, 0, size);
	k->buffers = mem;
	io_uring_buf_ring_init(k->buffers);
	reg.ring_addr = (uint64_t)(uintptr_t)mem;
	r = io_uring_register_buf_ring(&k->ring, &reg, 0);
	if (r != 0) {
		io_uring_queue_exit(&k->ring);
		free(mem);
	}
	return r;
}

int
ring_open(struct ring *r)
{
	unsigned i;
	int	 rc = -ENOMEM;

	memset(r, 0, sizeof(*r));
	r->max_events = CQ_ENTRIES;
	r->events = malloc(r->max_events * sizeof(*r->events));
	r->kernel = calloc(1, sizeof(*r->kernel));
	if (r->events != NULL && r->kernel != NULL)
		rc = open_kernel_ring(r->kernel);
	if (rc != 0) {
		free(r->events);
		free(r->kernel);
		return rc;
	}
	for (i = 0; i < RING_BUFFERS; i++)
		r->free_ids[r->n_free_ids++] = (uint16_t)i;
	return 0;
}

void
ring_close(struct ring *r)
{
	unsigned i;

	/* Without buffers the kernel writes nowhere, whenever it ends the
	 * receives that the ring still has. */
	(void)io_uring_unregister_buf_ring(&r->kernel->ring, BUFFER_GROUP);
	io_uring_queue_exit(&r->kernel->ring);
	for (i = 0; i < RING_BUFFERS; i++)
		free(r->lent[i]);
	free(r->kernel->buffers);
	free(r->kernel);
	free(r->events);
}

/* ---- requests ---- */

/* All that was prepared is the kernel's when this returns 0. */
static int
submit(struct kernel_ring *k)
{
	while (io_uring_sq_ready(&k->ring) > 0) {
		int r = io_uring_submit(&k->ring);

		if (r <= 0 && r != -EINTR)
			return r < 0 ? r : -EAGAIN;
	}
	k->n_pieces = 0;
	return 0;
}

/* A request to fill in; NULL when the kernel takes no more now. */
static struct io_uring_sqe *
prepare(struct kernel_ring *k)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&k->ring);

	if (sqe == NULL && submit(k) == 0)
		sqe = io_uring_get_sqe(&k->ring);
	return sqe;
}

/* Empty ones, for the request being prepared. */
static struct pieces *
get_pieces(struct kernel_ring *k)
{
	struct pieces *m;

	/* Never more than requests prepared and not submitted. */
	assert(k->n_pieces < SQ_ENTRIES);
	m = &k->pieces[k->n_pieces++];
	memset(&m->msg, 0, sizeof(m->msg));
	m->msg.msg_iov = m->iov;
	return m;
}

bool
ring_recv(struct ring *r, int fd, uint64_t data)
{
	struct io_uring_sqe *sqe = prepare(r->kernel);

	if (sqe == NULL)
		return false;
	io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = BUFFER_GROUP;
	sqe->user_data = data;
	return true;
}

bool
ring_recv_now(struct ring *r, int fd, struct lent *const *to, unsigned n,
    uint64_t data)
{
	struct io_uring_sqe *sqe = prepare(r->kernel);
	struct pieces	    *m;

	assert(n <= RING_PIECES);
	if (sqe == NULL)
		return false;
	m = get_pieces(r->kernel);
	for (; m->msg.msg_iovlen < n; m->msg.msg_iovlen++) {
		m->iov[m->msg.msg_iovlen] = (struct iovec){
			.iov_base = to[m->msg.msg_iovlen]->data,
			.iov_len = LENT_SIZE
		};
	}
	io_uring_prep_recvmsg(sqe, fd, &m->msg, MSG_DONTWAIT);
	sqe->user_data = data;
	return true;
}

bool
ring_send(struct ring *r, int fd, const struct poller_seg *g, uint64_t data,
    size_t *bytes)
{
	/* The kernel takes a short send for a failure because of WAITALL. */
	const int flags = MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL;
	struct io_uring_sqe *sqe = prepare(r->kernel);
	struct pieces	    *m;

	if (sqe == NULL)
		return false;
	*bytes = 0;
	if (g->next == NULL) {
		*bytes = g->n;
		io_uring_prep_send(sqe, fd, g->bytes, g->n, flags);
	} else {
		m = get_pieces(r->kernel);
		for (; g != NULL && m->msg.msg_iovlen < RING_PIECES;
		    g = g->next) {
			struct iovec *v = &m->iov[m->msg.msg_iovlen++];

			v->iov_base = (void *)(uintptr_t)g->bytes;
			v->iov_len = g->n;
			*bytes += g->n;
		}
		io_uring_prep_sendmsg(sqe, fd, &m->msg, (unsigned)flags);
	}
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	sqe->user_data = data;
	return true;
}

bool
ring_poll(struct ring *r, int fd, uint32_t events, uint64_t data)
{
	struct io_uring_sqe *sqe = prepare(r->kernel);

	if (sqe == NULL)
		return false;
	io_uring_prep_poll_add(sqe, fd, events);
	sqe->user_data = data;
	return true;
}

bool
ring_cancel(struct ring *r, uint64_t data)
{
	struct io_uring_sqe *sqe = prepare(r->kernel);

	if (sqe == NULL)
		return false;
	io_uring_prep_cancel64(sqe, data, 0);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	sqe->user_data = NO_DATA;
	return true;
}

/* ---- buffers ---- */

bool
ring_lend(struct ring *r, struct poller *p)
{
	int	n = 0;

	while (r->n_free_ids > 0) {
		struct lent *l = lent_get(p);
		uint16_t     id;

		if (l == NULL)
			break;
		/* It is in nobody's use: the kernel has it. */
		p->lent_out--;
		p->lent_given++;
		id = r->free_ids[--r->n_free_ids];
		r->lent[id] = l;
		io_uring_buf_ring_add(r->kernel->buffers, l->data, LENT_SIZE,
		    id, io_uring_buf_ring_mask(RING_BUFFERS), n++);
	}
	if (n > 0)
		io_uring_buf_ring_advance(r->kernel->buffers, n);
	return r->n_free_ids == 0;
}

struct lent *
ring_take_buffer(struct ring *r, struct poller *p, const struct ring_event *e)
{
	struct lent *l;
	uint16_t     id;

	if ((e->flags & IORING_CQE_F_BUFFER) == 0)
		return NULL;
	id = (uint16_t)(e->flags >> IORING_CQE_BUFFER_SHIFT);
	l = r->lent[id];
	r->lent[id] = NULL;
	r->free_ids[r->n_free_ids++] = id;
	p->lent_given--;
	p->lent_out++;
	return l;
}

/* ---- the system call ---- */

static int
enable(struct ring *r)
{
	int rc;

	if (r->enabled)
		return 0;
	/* From now on the kernel takes the ring to be this thread's.
	 * (io_uring_enable_rings() is missing from liburing 2.3.) */
	rc = io_uring_register((unsigned)r->kernel->ring.ring_fd,
	    IORING_REGISTER_ENABLE_RINGS, NULL, 0);
	if (rc < 0)
		return rc;
	r->enabled = true;
	r->thread = pthread_self();
	return 0;
}

int
ring_enter(struct ring *r, int timeout_ms)
{
	struct kernel_ring *k = r->kernel;
	struct __kernel_timespec ts = {
		.tv_sec = timeout_ms / 1000,
		.tv_nsec = (long long)(timeout_ms % 1000) * 1000000
	};
	struct io_uring_cqe *cqe;
	int	rc = enable(r);

	if (rc != 0)
		return rc;
	if (timeout_ms == 0)
		rc = io_uring_submit_and_get_events(&k->ring);
	else if (timeout_ms < 0)
		rc = io_uring_submit_and_wait(&k->ring, 1);
	else
		rc = io_uring_submit_and_wait_timeout(&k->ring, &cqe, 1, &ts,
		    NULL);
	if (rc < 0 && rc != -ETIME && rc != -EINTR && rc != -EAGAIN &&
	    rc != -EBUSY)
		return rc;
	/* Whatever it said, what was prepared must be submitted. */
	return submit(k);
}

/* Room for one more. */
static bool
grow(struct ring *r)
{
	size_t	max = r->max_events * 2;
	struct ring_event *e;

	if (r->n_events < r->max_events)
		return true;
	e = realloc(r->events, max * sizeof(*e));
	if (e == NULL)
		return false;
	r->events = e;
	r->max_events = max;
	return true;
}

bool
ring_fetch(struct ring *r)
{
	struct io_uring *ring = &r->kernel->ring;
	struct io_uring_cqe *cqe;
	unsigned head, n;

	for (;;) {
		n = 0;
		io_uring_for_each_cqe(ring, head, cqe) {
			if (!grow(r))
				break;
			r->events[r->n_events++] = (struct ring_event){
				.data = cqe->user_data, .result = cqe->res,
				.flags = cqe->flags
			};
			n++;
		}
		io_uring_cq_advance(ring, n);
		/* More than the shared memory holds waits in the kernel. */
		if (n == 0 || !io_uring_cq_has_overflow(ring))
			break;
		if (io_uring_get_events(ring) < 0)
			return false;
	}
	return io_uring_cq_ready(ring) == 0;
}
