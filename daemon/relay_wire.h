/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages between homid and the doorbell relay, over a SOCK_SEQPACKET connection that homid opens. The relay
 * outlives homid and may be older or newer than it, so every message has this one form, and the version is
 * said first: a relay of another version is told to end, whose place a new one takes.
 *
 * homid names things so that its successor finds them again: a function by its PCI address, a page by the
 * inode of its memfd, a queue pair by its id. A successor says hello, tells everything that shall be (what is
 * there already stays untouched meanwhile and is forwarded), and says RELAY_SYNCED: what it did not name is
 * dropped then. Every request is answered with RELAY_DONE and its number, in their order. When a function,
 * page or queue pair was said to be gone and that is answered, the relay will not touch it again.
 */
#ifndef HOMI_DAEMON_RELAY_WIRE_H
#define HOMI_DAEMON_RELAY_WIRE_H

#include <stddef.h>
#include <stdint.h>

#define RELAY_VERSION       1
#define RELAY_CORES_MAX     16
#define RELAY_FDS_MAX       4
#define RELAY_ADDRESS_BYTES 16
#define RELAY_CORE_ANY      UINT16_MAX

enum relay_kind {
    /* from homid */
    RELAY_HELLO,         /* hello; the answer brings a pidfd of the relay */
    RELAY_END,           /* drop everything and end; this number never changes */
    RELAY_FUNCTION,      /* target; fds as RELAY_FD_* */
    RELAY_PAGE,          /* page; fd: the page's memfd */
    RELAY_QUEUE,         /* queue */
    RELAY_QUEUE_GONE,    /* queue.id */
    RELAY_PAGE_GONE,     /* page.key: its queue pairs go with it */
    RELAY_FUNCTION_GONE, /* its pages go with it */
    RELAY_SYNCED,
    /* from the relay */
    RELAY_DONE,  /* number, error */
    RELAY_ENDED, /* ended: a queue pair that is not forwarded any more */
    RELAY_KINDS,
};

/* The descriptors of RELAY_FUNCTION. The last is there when target.reader_wake_offset is not 0. */
enum { RELAY_FD_DEVICE, RELAY_FD_LEDGER, RELAY_FD_WAKE, RELAY_FD_READER };

struct relay_message {
    uint16_t kind;
    uint16_t version;
    int32_t error; /* 0 or a negative errno */
    uint64_t number;
    char function[RELAY_ADDRESS_BYTES];
    union {
        struct {
            uint16_t core_count;
            uint16_t cores[RELAY_CORES_MAX]; /* or RELAY_CORE_ANY */
        } hello;
        struct {
            uint64_t bar_offset;         /* of BAR 0 in the device's descriptor */
            uint64_t reader_wake_offset; /* in BAR 0, of what reads the doorbells and may sleep; 0: nothing */
            uint32_t doorbell_stride;
            uint16_t pairs; /* queue pairs 1 to this */
        } target;
        struct {
            uint64_t key;
        } page;
        struct {
            uint64_t page;
            uint32_t entries;
            uint16_t id;
        } queue;
        struct {
            uint64_t page;
            uint32_t value;
            uint16_t id;
            uint16_t defect; /* enum doorbells_defect */
        } ended;
    };
};

/* 0 or a negative errno (-EAGAIN: not now); the descriptors are borrowed. */
int relay_send(int socket, const struct relay_message *message, const int *fds, size_t fd_count);
/*
 * Receives one message with up to RELAY_FDS_MAX descriptors, which are the caller's then. 0 or a negative
 * errno: -EAGAIN, -EPIPE (the other side closed), -EPROTO (it is none; its descriptors are closed).
 */
int relay_receive(int socket, struct relay_message *ret_message, int *ret_fds, size_t *ret_fd_count);

#endif
