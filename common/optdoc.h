/* SPDX-License-Identifier: MIT */
/*
 * optdoc - an option table as text: manual, sample file, completion.
 *
 * What a program accepts and what its manual says come from the same line,
 * so that neither can forget the other. Help texts are plain sentences, in
 * which *x* marks a word of the file and \* is an asterisk. man/mangen.c
 * calls these at build time; nothing here is needed at run time. Pure.
 */
#ifndef COMMON_OPTDOC_H
#define COMMON_OPTDOC_H

#include "common/base.h"

struct buf;
struct opt_table;

/*
 * An mdoc list: a subsection per group, an item per option with its help,
 * its default and whether it needs a restart; in a table without any
 * OPT_RELOAD nothing is said of that. Options of a table with a prefix are
 * called repoN-path. Belongs into a section of an mdoc page.
 */
void	optdoc_mdoc(const struct opt_table *, struct buf *out);

/*
 * The body of a section of a sample ini file: each option commented out at
 * its default, below its help; repo1-path if the table has a prefix. Lines
 * are at most 79 bytes where words allow.
 */
void	optdoc_ini(const struct opt_table *, struct buf *out);

/*
 * The options of a table whose values are pairs within one line, as a
 * comment: "; pool_size: Server connections per user."
 */
void	optdoc_pairs(const struct opt_table *, struct buf *out);

/*
 * For shell completion: a line per option, the key and behind it the words
 * it takes (choices; y and n, 0 and 1), separated by blanks.
 */
void	optdoc_words(const struct opt_table *, struct buf *out);

#endif /* COMMON_OPTDOC_H */
