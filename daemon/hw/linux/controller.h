/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The registers of an opened VF's controller, and enabling and disabling it without waiting: a timer looks
 * again.
 *
 * Registers are read and written through the VFIO device fd, not through a mapping: the holder of the same
 * device fd can switch the VF's memory off, and then a mapped access is a SIGBUS in homid, a read an error.
 */
#ifndef HOMI_DAEMON_HW_LINUX_CONTROLLER_H
#define HOMI_DAEMON_HW_LINUX_CONTROLLER_H

#include <stdbool.h>
#include <stdint.h>

struct event;
struct event_base;

/* error: 0, -ETIMEDOUT, -EIO (failed or gone) or -ENOTSUP; the reason is a constant. */
typedef void (*controller_done)(void *user, int error, const char *reason);

struct controller {
    struct event *timer;
    int device_fd;
    int wake_fd; /* an eventfd that tells the software SSD of a written register; -1: none */
    uint64_t bar_offset;
    uint64_t capabilities; /* CAP */
    uint64_t submission_iova, completion_iova;
    uint16_t entries;
    bool enabling, programmed;
    unsigned waited_milliseconds, pause_milliseconds;
    controller_done done;
    void *user;
};

int controller_init(struct controller *controller, struct event_base *base, int device_fd, int wake_fd,
                    uint64_t bar_offset);
void controller_fini(struct controller *controller); /* stops what is under way without a callback */

/* Resets the controller, gives it the admin queues and enables it (NVMe Base 2.0, section 3.5.1). */
void controller_enable(struct controller *controller, uint64_t submission_iova, uint64_t completion_iova,
                       uint16_t entries, controller_done done, void *user);
/* Clears CC.EN and waits until the controller is not ready: it has stopped all DMA then. */
void controller_disable(struct controller *controller, controller_done done, void *user);
/* NULL: ready and well; otherwise what is wrong, a constant. */
const char *controller_check(const struct controller *controller);
/* Doorbell `index` counts from 0: SQ0 tail, CQ0 head. 0 or a negative errno. */
int controller_ring(const struct controller *controller, unsigned index, uint32_t value);

/* CAP.NSSRS: whoever has the registers can reset the whole NVM subsystem. */
static inline bool controller_subsystem_reset(const struct controller *controller)
{
    return controller->capabilities >> 36 & 1;
}

static inline uint32_t controller_doorbell_stride(const struct controller *controller)
{
    return UINT32_C(4) << (controller->capabilities >> 32 & 0xf); /* CAP.DSTRD */
}

static inline uint32_t controller_queue_entries_max(const struct controller *controller)
{
    return (uint32_t)(controller->capabilities & 0xffff) + 1; /* CAP.MQES */
}

#endif
