/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/sha256.h"

#include <openssl/evp.h>

#include "common/err.h"

int
sha256_of(const void *bytes, size_t n, unsigned char out[SHA256_LEN])
{
	unsigned	len = 0;

	if (EVP_Digest(bytes, n, out, &len, EVP_sha256(), NULL) != 1 ||
	    len != SHA256_LEN)
		return ERR_GENERAL;
	return 0;
}
