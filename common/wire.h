/* SPDX-License-Identifier: MIT */
/*
 * wire - PostgreSQL's frontend/backend protocol, version 3.
 *
 * Turns bytes into messages and back, nothing else: no descriptor, no clock,
 * no memory of its own. Parsers read (pointer, length) and hand out pointers
 * into those bytes, valid as long as the bytes are; builders append to a
 * `struct buf` of the caller. No length that a peer declares is believed
 * before it was compared with a maximum and with the bytes at hand.
 *
 * Calling sequence, receiving: wire_header_get() until it returns 0, then
 * (when the body is needed and complete) the wire_parse_...() of its type.
 * The first packet of a connection has no type byte: wire_first_get().
 * Sending: wire_put_...() as often as wanted, then buf_failed() once.
 *
 * Results: 0, WIRE_MORE (the bytes so far are a proper beginning), or
 * ERR_FORMAT (what the peer sent is broken: close it), ERR_LIMIT (longer
 * than the caller allows). Out-parameters are set only with 0.
 *
 * Protocol: https://www.postgresql.org/docs/current/protocol.html, chapters
 * "Message Formats" and "Error and Notice Message Fields".
 */
#ifndef COMMON_WIRE_H
#define COMMON_WIRE_H

#include "common/base.h"
#include "common/buf.h"

/* A parser's third answer beside 0 and an error: deliver more bytes. */
#define WIRE_MORE		1

/* Type byte and length. */
#define WIRE_HEADER_LEN		5
/* Length and code of the first packet; also the shortest one there is. */
#define WIRE_FIRST_LEN		8
/* The longest message PostgreSQL sends or takes (its MaxAllocSize). */
#define WIRE_MAX_BODY		((uint32_t)0x3fffffff)
/* A cancel key: 4 bytes up to protocol 3.1, from 3.2 on up to this. */
#define WIRE_KEY_MIN		4
#define WIRE_KEY_MAX		256
/* First byte of a TLS ClientHello: a client that starts TLS at once. */
#define WIRE_TLS_FIRST_BYTE	0x16

/* From the client. */
enum wire_fe {
	WIRE_FE_BIND		= 'B',
	WIRE_FE_CLOSE		= 'C',
	WIRE_FE_DESCRIBE	= 'D',
	WIRE_FE_EXECUTE		= 'E',
	WIRE_FE_FUNCTION_CALL	= 'F',
	WIRE_FE_FLUSH		= 'H',
	WIRE_FE_PARSE		= 'P',
	WIRE_FE_QUERY		= 'Q',
	WIRE_FE_SYNC		= 'S',
	WIRE_FE_TERMINATE	= 'X',
	WIRE_FE_COPY_DONE	= 'c',
	WIRE_FE_COPY_DATA	= 'd',
	WIRE_FE_COPY_FAIL	= 'f',
	WIRE_FE_PASSWORD	= 'p'	/* also the SASL answers */
};

/* From the server. */
enum wire_be {
	WIRE_BE_PARSE_COMPLETE	= '1',
	WIRE_BE_BIND_COMPLETE	= '2',
	WIRE_BE_CLOSE_COMPLETE	= '3',
	WIRE_BE_NOTIFICATION	= 'A',
	WIRE_BE_COMMAND_COMPLETE = 'C',
	WIRE_BE_DATA_ROW	= 'D',
	WIRE_BE_ERROR		= 'E',
	WIRE_BE_COPY_IN		= 'G',
	WIRE_BE_COPY_OUT	= 'H',
	WIRE_BE_EMPTY_QUERY	= 'I',
	WIRE_BE_BACKEND_KEY	= 'K',
	WIRE_BE_NOTICE		= 'N',
	WIRE_BE_AUTH		= 'R',
	WIRE_BE_PARAMETER_STATUS = 'S',
	WIRE_BE_ROW_DESCRIPTION	= 'T',
	WIRE_BE_FUNCTION_RESULT	= 'V',
	WIRE_BE_COPY_BOTH	= 'W',
	WIRE_BE_READY		= 'Z',
	WIRE_BE_COPY_DONE	= 'c',
	WIRE_BE_COPY_DATA	= 'd',
	WIRE_BE_NO_DATA		= 'n',
	WIRE_BE_PORTAL_SUSPENDED = 's',
	WIRE_BE_PARAMETER_DESCRIPTION = 't',
	WIRE_BE_NEGOTIATE	= 'v'
};

/* The codes inside Authentication messages. */
enum wire_auth {
	WIRE_AUTH_OK		= 0,
	WIRE_AUTH_CLEARTEXT	= 3,
	WIRE_AUTH_MD5		= 5,
	WIRE_AUTH_SASL		= 10,
	WIRE_AUTH_SASL_CONTINUE	= 11,
	WIRE_AUTH_SASL_FINAL	= 12
};

/* Transaction states inside ReadyForQuery. */
enum wire_tx {
	WIRE_TX_IDLE		= 'I',
	WIRE_TX_OPEN		= 'T',
	WIRE_TX_FAILED		= 'E'
};

/* Codes of first packets. Protocol versions are major << 16 | minor. */
#define WIRE_CODE_CANCEL	((uint32_t)80877102)
#define WIRE_CODE_SSL		((uint32_t)80877103)
#define WIRE_CODE_GSSENC	((uint32_t)80877104)
#define WIRE_VERSION(major, minor) \
	((uint32_t)(major) << 16 | (uint32_t)(minor))

/*
 * Reading a header
 */

struct wire_header {
	uint8_t		 type;
	uint32_t	 body;		/* bytes that follow the header */
};

/*
 * Reads type and length from the first WIRE_HEADER_LEN of n bytes. `max` is
 * the longest body the caller wants (at most INT32_MAX - 4). WIRE_MORE while
 * n is too small, ERR_FORMAT for a length below 4 (or one with its sign bit
 * set), ERR_LIMIT for a body above max. A length that cannot be right is
 * refused only once all five bytes are there.
 */
int	wire_header_get(const char *bytes, size_t n, uint32_t max,
	    struct wire_header *) MUST_CHECK;

enum wire_first_kind {
	WIRE_FIRST_STARTUP,		/* protocol 3.x */
	WIRE_FIRST_STARTUP_V2,		/* protocol 2.x: nobody speaks it */
	WIRE_FIRST_CANCEL,
	WIRE_FIRST_SSL,
	WIRE_FIRST_GSSENC,
	WIRE_FIRST_UNKNOWN		/* any other code */
};

struct wire_first {
	enum wire_first_kind kind;
	uint32_t	 code;		/* as sent; the version for STARTUP */
	uint32_t	 body;		/* bytes after the WIRE_FIRST_LEN */
};

/*
 * Reads the header of a connection's first packet. `max` bounds the body.
 * ERR_FORMAT for a length below 8 or above 2 GiB, which its four bytes alone
 * tell; else WIRE_MORE while n < WIRE_FIRST_LEN. ERR_FORMAT for an SSL or GSS
 * request with a body, for a cancel request whose key is shorter than
 * WIRE_KEY_MIN or longer than WIRE_KEY_MAX; ERR_LIMIT above max.
 */
int	wire_first_get(const char *bytes, size_t n, uint32_t max,
	    struct wire_first *) MUST_CHECK;

/*
 * A bounded reader
 *
 * A get past the end, or a string without its NUL, sets `failed` for good and
 * returns 0, "" (strings) or NULL (bytes): read all fields, check once.
 */
struct wire_in {
	const char	*p;		/* the next byte */
	size_t		 left;
	bool		 failed;
};

void	 wire_in_init(struct wire_in *, const char *bytes, size_t n);
uint8_t	 wire_get_u8(struct wire_in *);
uint16_t wire_get_u16(struct wire_in *);
int32_t	 wire_get_i32(struct wire_in *);
const char *wire_get_bytes(struct wire_in *, size_t n);
/* Up to and including the NUL; the pointer is into the bytes. */
const char *wire_get_cstr(struct wire_in *);
/* Nothing failed and nothing is left: what every whole message ends with. */
bool	 wire_in_done(const struct wire_in *);

/*
 * Parsers. `body`, `n`: the whole body of a message, without its header,
 * unless said otherwise. All return 0 or ERR_FORMAT, and refuse bytes behind
 * the last field.
 */

/*
 * The next pair of a start-up packet's body (`in` was initialised with it).
 * Returns 1 with a pair; 0 at the end, where the terminator was the last
 * byte; ERR_FORMAT otherwise. Names may repeat: PostgreSQL takes the last.
 */
int	wire_startup_next(struct wire_in *in, const char **name,
	    const char **value) MUST_CHECK;

/* A cancel key, in CancelRequest (after the code) and in BackendKeyData. */
struct wire_key {
	uint32_t	 pid;
	const char	*key;
	size_t		 len;		/* WIRE_KEY_MIN..WIRE_KEY_MAX */
};

int	wire_parse_key(const char *body, size_t n, struct wire_key *)
	    MUST_CHECK;

/*
 * An ErrorResponse or NoticeResponse. Parsed: fields that were not sent are
 * "". Built: severity, sqlstate and message are required, the others left
 * out when NULL or "".
 */
struct wire_error {
	const char	*severity;	/* S: maybe translated; for people */
	const char	*level;		/* V: never translated; "" before 9.6.
					 * Built: severity is sent for both */
	const char	*sqlstate;	/* C: five characters */
	const char	*message;	/* M */
	const char	*detail;	/* D */
	const char	*hint;		/* H */
};

/* Unknown fields are skipped; severity, sqlstate and message must be there. */
int	wire_parse_error(const char *body, size_t n, struct wire_error *)
	    MUST_CHECK;

int	wire_parse_parameter_status(const char *body, size_t n,
	    const char **name, const char **value) MUST_CHECK;

/* The transaction state, one of enum wire_tx; any other is ERR_FORMAT. */
int	wire_parse_ready(const char *body, size_t n, char *tx) MUST_CHECK;

/*
 * An Authentication message: its code, which need not be one of enum
 * wire_auth, and what follows it (the md5 salt, SASL data).
 */
int	wire_parse_auth(const char *body, size_t n, int32_t *code,
	    struct wire_in *rest) MUST_CHECK;

/*
 * A body that is one string: Query, PasswordMessage, CommandComplete,
 * CopyFail, Execute's portal aside. A NUL inside is ERR_FORMAT.
 */
int	wire_parse_string(const char *body, size_t n, const char **s)
	    MUST_CHECK;

/* SASLInitialResponse; *data is NULL if the client sent none (length -1). */
int	wire_parse_sasl_initial(const char *body, size_t n,
	    const char **mechanism, const char **data, size_t *len)
	    MUST_CHECK;

struct wire_parse {
	const char	*name;
	const char	*query;
	uint16_t	 ntypes;
	const char	*types;		/* ntypes 4-byte oids, network order */
	/* query up to the end of the types, in one piece: what two equal
	 * statements share, for a digest. */
	const char	*text;
	size_t		 text_len;
};

int	wire_parse_parse(const char *body, size_t n, struct wire_parse *)
	    MUST_CHECK;

struct wire_bind {
	const char	*portal;
	const char	*statement;
	size_t		 rest;		/* offset of the parameter formats */
};

/*
 * The two names a Bind begins with, so that it can be rewritten while its
 * parameters are still arriving. `have` bytes of a body of `total` are at
 * hand. WIRE_MORE until both names are complete, ERR_FORMAT if they cannot
 * be. The parameters are not looked at.
 */
int	wire_parse_bind(const char *body, size_t have, size_t total,
	    struct wire_bind *) MUST_CHECK;

/* Describe and Close: kind is 'S' (statement) or 'P' (portal). */
int	wire_parse_target(const char *body, size_t n, char *kind,
	    const char **name) MUST_CHECK;

int	wire_parse_execute(const char *body, size_t n, const char **portal,
	    int32_t *max_rows) MUST_CHECK;

/* How many columns a RowDescription has; each is checked to be whole. */
int	wire_parse_row_description(const char *body, size_t n,
	    uint16_t *columns) MUST_CHECK;

/*
 * DataRow: wire_row_begin() gives the column count and sets `in` up, then
 * wire_row_next() once per column gives its bytes (not NUL-terminated), NULL
 * for an SQL null. After the last column wire_in_done() must be true.
 */
int	wire_row_begin(const char *body, size_t n, struct wire_in *in,
	    uint16_t *columns) MUST_CHECK;
int	wire_row_next(struct wire_in *in, const char **value, size_t *len)
	    MUST_CHECK;

/*
 * Builders. Each appends one whole message, or on failure (the buffer's
 * maximum, or no memory) nothing; the failure stays in the buffer. Strings
 * are NUL-terminated and must not be NULL unless said.
 */

/* A message without a body: Sync, Flush, Terminate, ParseComplete, ... */
void	wire_put_empty(struct buf *, uint8_t type);
/* A message whose body is one string: Query, CommandComplete, CopyFail,
 * PasswordMessage (plain or md5). */
void	wire_put_string(struct buf *, uint8_t type, const char *s);

/*
 * To a client. `type` is WIRE_BE_ERROR or WIRE_BE_NOTICE. The fields are those
 * that PostgreSQL sends and in its order: S, V, C, M, D, H. V is S that is
 * never translated; PostgreSQL has sent it always since 9.6, and drivers that
 * show it (psycopg's severity_nonlocalized, pgx, Npgsql) find it here as
 * there. PgBouncer 1.26.1 sends S, C and M; nobody looks for the lack of V.
 */
void	wire_put_error(struct buf *, uint8_t type, const struct wire_error *);
/* An Authentication message; data (n bytes) follows the code: nothing for OK
 * and CLEARTEXT, the 4-byte salt for MD5, the SASL message for CONTINUE and
 * FINAL. */
void	wire_put_auth(struct buf *, enum wire_auth, const void *data, size_t n);
/* AuthenticationSASL offering the one mechanism. */
void	wire_put_auth_sasl(struct buf *, const char *mechanism);
void	wire_put_parameter_status(struct buf *, const char *name,
	    const char *value);
void	wire_put_backend_key(struct buf *, const struct wire_key *);
void	wire_put_ready(struct buf *, enum wire_tx);
/* NegotiateProtocolVersion: `version` is the newest of ours; the names of n
 * options that we do not know. */
void	wire_put_negotiate(struct buf *, uint32_t version,
	    const char *const *options, size_t n);

struct wire_column {
	const char	*name;
	uint32_t	 type;		/* WIRE_OID_... */
};

#define WIRE_OID_INT8	20
#define WIRE_OID_INT4	23
#define WIRE_OID_TEXT	25

/* RowDescription of n columns in text format that belong to no table. */
void	wire_put_row_description(struct buf *, const struct wire_column *,
	    size_t n);
/*
 * DataRow: wire_row_open(), n times wire_row_text(), then wire_end() with
 * what the first returned. It writes the length, or takes the message back
 * when an append failed.
 */
size_t	wire_row_open(struct buf *, size_t n);
void	wire_row_text(struct buf *, const char *value);	/* NULL: SQL null */
void	wire_end(struct buf *, size_t opened);

/*
 * To a server. A start-up packet is begun, filled, ended:
 *	at = wire_startup_begin(b, WIRE_VERSION(3, 0));
 *	wire_startup_param(b, "user", user); ...
 *	wire_startup_end(b, at);
 */
size_t	wire_startup_begin(struct buf *, uint32_t version);
void	wire_startup_param(struct buf *, const char *name, const char *value);
void	wire_startup_end(struct buf *, size_t begin);
void	wire_put_ssl_request(struct buf *);
void	wire_put_cancel_request(struct buf *, const struct wire_key *);
void	wire_put_sasl_initial(struct buf *, const char *mechanism,
	    const void *data, size_t n);
/* SASLResponse: the n bytes are the body. */
void	wire_put_sasl_response(struct buf *, const void *data, size_t n);

/* `types`: ntypes 4-byte oids in network order (NULL if none). */
void	wire_put_parse(struct buf *, const char *name, const char *query,
	    const char *types, uint16_t ntypes);
/* Parameters as text (NULL: SQL null), results as text. */
void	wire_put_bind(struct buf *, const char *portal, const char *statement,
	    const char *const *params, uint16_t n);
/* `type` is WIRE_FE_DESCRIBE or WIRE_FE_CLOSE; kind 'S' or 'P'. */
void	wire_put_target(struct buf *, uint8_t type, char kind,
	    const char *name);
void	wire_put_execute(struct buf *, const char *portal, int32_t max_rows);

#endif /* COMMON_WIRE_H */
