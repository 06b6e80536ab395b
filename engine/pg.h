/* pg.h - ordinary PostgreSQL connections: connect, run statements, quote, and tell what an error means.
 * Statements are of sql/; failures become one line with the server's own text. */
#ifndef ENGINE_PG_H
#define ENGINE_PG_H

#include "buf.h"
#include "err.h"
#include "lsn.h"

#include <libpq-fe.h>

/* Splits a connection string, to be freed with PQconninfoFree. NULL and ERR_CONFIG, in which nothing of the
 * string is repeated. */
PQconninfoOption *pg_conninfo(const char *text, struct err *e);

/* Connects (blocking, bounded by connect_timeout of the string). NULL: *e says whether retrying helps,
 * without secrets. */
PGconn *pg_connect(const char *conninfo, struct err *e);

/* Runs a statement with text parameters and checks for tuples or success. The result is the caller's to
 * PQclear. */
PGresult *pg_query(PGconn *conn, struct err *e, const char *sql, int n_params, const char *const *params);
/* The same without waiting: false when it could not be sent. A statement that is run on this connection
 * before the answer was taken waits for it, and drops it. */
bool pg_ask(PGconn *conn, const char *sql, int n_params, const char *const *params);
/* False while the answer is still to come; never waits. *res: the answer, or the server's refusal, the
 * caller's to PQclear; NULL: it was dropped, or the connection broke. */
bool pg_answered(PGconn *conn, PGresult **res);
/* Tells the server to end the statement that it is at; the connection is good for PQfinish only. */
void pg_give_up(PGconn *conn);
/* One statement without parameters whose result does not matter. Works on replication connections too. */
bool pg_run(PGconn *conn, struct err *e, const char *sql);
/* The first column of the first row, malloc'ed; NULL with *e set on errors, NULL with e->kind ERR_NONE on no
 * row or NULL. */
char *pg_scalar(PGconn *conn, struct err *e, const char *sql);

/* The server follows another one, and lets nothing be written. Told from PostgreSQL 14 on. */
bool pg_on_standby(const PGconn *conn);

void pg_ident(struct buf *b, const char *name); /* "name", quotes doubled */
void pg_literal(struct buf *b,
                const char *text); /* 'text', quotes doubled; standard_conforming_strings assumed */
void pg_table(struct buf *b, const char *schema, const char *table);

/* Sets *e from a failed result or connection: kind by SQLSTATE, text "what: server's message". Always false.
 */
bool pg_error(PGconn *conn, const PGresult *res, struct err *e, const char *what);
/* True for the server's error that a row cannot be sent, because it is too large. res may be NULL. */
bool pg_is_unsendable(const PGresult *res);
enum err_kind pg_error_kind(const char *sqlstate);

static inline const char *pg_cell(const PGresult *res, int row, int col) /* NULL for SQL NULL */
{
    return PQgetisnull(res, row, col) ? NULL : PQgetvalue(res, row, col);
}

static inline bool pg_true(const PGresult *res, int row, int col)
{
    return PQgetvalue(res, row, col)[0] == 't';
}

/* Bytes that were read from a TCP socket since it was opened; 0: not known. */
uint64_t pg_received(int fd);
/* For how long nothing has come in on a TCP socket, read or not, in milliseconds; 0: not known. */
int64_t pg_silent_ms(int fd);

#endif
