/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/md5.h"

#include <openssl/evp.h>
#include <string.h>

#include "common/err.h"

struct md5 {
	EVP_MD_CTX	*ctx;
	bool		 failed;
};

struct md5 *
md5_new(void)
{
	struct md5 *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return NULL;
	m->ctx = EVP_MD_CTX_new();
	if (m->ctx == NULL || EVP_DigestInit_ex(m->ctx, EVP_md5(), NULL) != 1) {
		EVP_MD_CTX_free(m->ctx);
		free(m);
		return NULL;
	}
	return m;
}

void
md5_add(struct md5 *m, const void *bytes, size_t n)
{
	if (EVP_DigestUpdate(m->ctx, bytes, n) != 1)
		m->failed = true;
}

int
md5_text(struct md5 *m, char out[MD5_TEXT_MAX])
{
	unsigned char	d[EVP_MAX_MD_SIZE];
	unsigned	n = 0;
	bool		failed;

	if (m == NULL)
		return ERR_NOMEM;
	failed = m->failed || EVP_DigestFinal_ex(m->ctx, d, &n) != 1 || n != 16;
	EVP_MD_CTX_free(m->ctx);
	free(m);
	if (failed)
		return ERR_SYS;
	EVP_EncodeBlock((unsigned char *)out, d, 16);
	return 0;
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
md5_of_etag(const char *etag, char out[MD5_TEXT_MAX])
{
	unsigned char	d[16];
	size_t		i, quoted = etag[0] == '"';
	int		high, low;

	if (strlen(etag) != 32 + 2 * quoted ||
	    (quoted && etag[33] != '"'))
		return false;
	for (i = 0; i < 16; i++) {
		high = hex_value(etag[quoted + 2 * i]);
		low = hex_value(etag[quoted + 2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		d[i] = (unsigned char)(high << 4 | low);
	}
	EVP_EncodeBlock((unsigned char *)out, d, 16);
	return true;
}
