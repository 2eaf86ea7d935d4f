/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/slab.h"

#include <string.h>

/* A block is about this large, so that a large slab asks seldom. */
#define BLOCK_BYTES	(64 * 1024)

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define HIDE(p, n)	ASAN_POISON_MEMORY_REGION(p, n)
#define REVEAL(p, n)	ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define HIDE(p, n)	((void)(p), (void)(n))
#define REVEAL(p, n)	((void)(p), (void)(n))
#endif

struct slab_item {
	struct slab_item *next;
};

struct slab_block {
	struct slab_block *next;
	_Alignas(max_align_t) unsigned char items[];
};

void
slab_init(struct slab *s, const char *name, size_t size, size_t limit)
{
	const size_t align = _Alignof(max_align_t);

	memset(s, 0, sizeof(*s));
	s->name = name;
	s->size = MAX((size + align - 1) / align * align, align);
	s->limit = limit;
}

static bool
add_block(struct slab *s)
{
	size_t	n = MAX(BLOCK_BYTES / s->size, (size_t)1);
	size_t	bytes = sizeof(struct slab_block) + n * s->size;
	struct slab_block *b = malloc(bytes);

	if (b == NULL)
		return false;
	b->next = s->blocks;
	s->blocks = b;
	s->bytes += bytes;
	s->free += n;
	/* The last goes in first: objects are handed out in address order. */
	while (n-- > 0) {
		struct slab_item *item =
		    (struct slab_item *)(void *)(b->items + n * s->size);

		item->next = s->free_items;
		s->free_items = item;
		HIDE(item, s->size);
	}
	return true;
}

void *
slab_take(struct slab *s)
{
	struct slab_item *item;

	if (s->limit != 0 && s->used >= s->limit)
		return NULL;
	if (s->free_items == NULL && !add_block(s))
		return NULL;
	item = s->free_items;
	REVEAL(item, s->size);
	s->free_items = item->next;
	s->free--;
	s->used++;
	memset(item, 0, s->size);
	return item;
}

void
slab_give(struct slab *s, void *object)
{
	struct slab_item *item = object;

	if (item == NULL)
		return;
	assert(s->used > 0);
	item->next = s->free_items;
	s->free_items = item;
	s->free++;
	s->used--;
	HIDE(item, s->size);
}

void
slab_release(struct slab *s)
{
	struct slab_block *b, *next;

	assert(s->used == 0);
	for (b = s->blocks; b != NULL; b = next) {
		next = b->next;
		free(b);
	}
	s->blocks = NULL;
	s->free_items = NULL;
	s->free = s->bytes = 0;
}
