/* gone.h - relations of tables that were dropped. On the pipeline's thread. */
#ifndef ENGINE_GONE_H
#define ENGINE_GONE_H

#include "lsn.h"

#include <stddef.h>
#include <stdint.h>

struct pipeline;

struct gone {
    size_t known; /* relations that were left when they were last looked through */
    lsn_t upto;   /* nothing of those below comes behind it */
    struct gone_table {
        uint32_t oid;
        uint64_t number;
    } * tables;
    size_t n;
};

/* Between two transactions: forgets what was found to be gone and is past, or looks, when there are many more
 * relations than before. That the server does not answer is no error. */
void gone_tick(struct pipeline *p);
void gone_free(struct gone *g);

#endif
