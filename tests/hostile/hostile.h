/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The hostile tenant: attacks on homid, on its SSD and on a neighbour, one after the other. While each runs,
 * the victim (victim.c) writes, reads and compares on its own namespace, and the observer (observer.c) asks
 * homid for its status all the time. An attack is a function that runs in a process of its own, as the
 * attacker's user, and says whether it got anywhere; what the others saw is judged by main.c.
 */
#ifndef HOMI_TESTS_HOSTILE_HOSTILE_H
#define HOMI_TESTS_HOSTILE_HOSTILE_H

#include <homi/homi.h>
#include <homi/io.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/tenants/common/raw.h"

struct setup {
    const char *socket, *admin_socket;
    const char *attacker, *victim;     /* tenants */
    const char *relayed;               /* the attacker's too; NULL: there is none */
    const char *relay_socket;          /* the relay's */
    uint32_t attacker_uid, victim_uid; /* UINT32_MAX: as whoever started this */
    uint32_t foreign_namespace;        /* the victim's */
    uint32_t connections_per_uid, monitors, regions, queue_pairs; /* what homid allows */
    const char *programs; /* folder of tenant-refusals and proto-abuse */
};

/* Written by victim and observer, read by everybody. */
struct shared {
    atomic_bool stop;
    _Atomic uint64_t rounds, errors, miscompares, worst_microseconds; /* the victim's */
    atomic_bool victim_ready;
    char victim_lease[64], victim_function[64];
    uint64_t victim_iova;
    uint32_t victim_pair, victim_region;
    _Atomic uint64_t asked, unanswered, slowest_microseconds; /* the observer's */
    _Atomic int homid;                                        /* its pid */
    _Atomic uint64_t leases, queue_pairs;                     /* as homid said last */
};

struct attacker {
    const struct setup *setup;
    const char *tenant; /* that it attaches as */
    struct shared *shared;
    struct homi *homi;
    struct homi_lease *lease;
    struct homi_memory *memory; /* ATTACKER_BYTES */
    struct homi_queue_pair *pair;
    struct homi_queue *queue;
    const struct homi_namespace *space;
    const struct homi_region_map *region;
    uint8_t *bytes;         /* the memory */
    volatile uint32_t *bar; /* all of BAR 0, also where libhomi may only read; relayed, the doorbell page */
    uint64_t bar_bytes;
    atomic_bool enough; /* for a thread of the attack */
    char reply[RAW_REPLY_BYTES];
};

#define ATTACKER_BYTES (256u << 10)
#define PAGE           4096u
#define DEPTH          32u

struct attack {
    const char *name;
    int (*run)(struct attacker *attacker); /* 0: it got nowhere; otherwise it said what it got */
    bool needs_user;                       /* makes no sense for root */
};

extern const struct attack memory_attacks[], dma_attacks[], queue_attacks[], protocol_attacks[],
    process_attacks[], relay_attacks[];

/* ---- victim.c, observer.c: run until shared->stop; never return ---- */

void victim_run(const struct setup *setup, struct shared *shared) __attribute__((noreturn));
void observer_run(const struct setup *setup, struct shared *shared) __attribute__((noreturn));
uint64_t microseconds_now(void);
void pause_milliseconds(unsigned milliseconds);

/* ---- attacker.c ---- */

/* Connects; and the same with a lease, memory, a queue pair and the BAR. What fails ends the process (4). */
void attacker_connect(struct attacker *attacker);
void attacker_attach(struct attacker *attacker);
/* Says what the attack got, and returns 1. */
int got(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Gives a command that points to a device address. Waits for its answer: an NVMe status, or negative errno.
 */
int aim(struct attacker *attacker, uint8_t opcode, uint32_t namespace_id, uint64_t iova, uint32_t bytes);
/* Waits until the attacker's own connection, resp. its controller, is gone. false: not in so many ms. */
bool lost_lease(struct attacker *attacker, unsigned milliseconds);
/* Whether somebody who behaves is served. */
bool serves(struct attacker *attacker);
/* A call on the attacker's connection; 0 when homid refused with this error ("" : accepted). */
int expect(struct attacker *attacker, const char *method, const char *error, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
