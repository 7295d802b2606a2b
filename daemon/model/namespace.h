/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A namespace's blocks: in memory, in a file, or nowhere (null: reads give whatever the buffer held, writes
 * go nowhere; it is there to measure drivers). And to which controllers it is attached.
 */
#ifndef HOMI_DAEMON_MODEL_NAMESPACE_H
#define HOMI_DAEMON_MODEL_NAMESPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/hw/backend.h"

#define NAMESPACE_CONTROLLERS (HW_FUNCTIONS_MAX + 1) /* the PF's is number 0, that of VF i is i + 1 */

enum namespace_backing { BACKING_MEMORY, BACKING_FILE, BACKING_NULL };

struct namespace
{
    uint32_t id;
    enum namespace_backing backing;
    unsigned block_shift; /* 9 or 12 */
    uint64_t blocks;
    uint64_t bytes;  /* that it takes, whatever its format */
    bool shareable;  /* NMIC bit 0 */
    int fd;          /* -1: null */
    uint8_t *memory; /* the view of a memory namespace */
    uint64_t attached[(NAMESPACE_CONTROLLERS + 63) / 64];
};

/* A stretch of memory that is to be read or written. */
struct segment {
    uint8_t *host;
    uint64_t bytes;
};

/* path: of a file namespace; it is created when it is not there, and grown to `bytes`. */
int namespace_new(uint32_t id, enum namespace_backing backing, const char *path, uint64_t bytes,
                  unsigned block_shift, struct namespace **ret_namespace);
void namespace_free(struct namespace *space); /* NULL-safe */

/* Byte ranges; the caller has checked them against the size. 0 or a negative errno. */
int namespace_read(const struct namespace *space, uint64_t offset, const struct segment *to, unsigned count);
int namespace_write(const struct namespace *space, uint64_t offset, const struct segment *from,
                    unsigned count);
int namespace_zero(const struct namespace *space, uint64_t offset, uint64_t bytes);
int namespace_flush(const struct namespace *space);

static inline bool namespace_attached(const struct namespace *space, unsigned controller)
{
    return space->attached[controller / 64] >> controller % 64 & 1;
}

void namespace_attach(struct namespace *space, unsigned controller, bool attach);
bool namespace_attached_anywhere(const struct namespace *space);

#endif
