/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/hw/linux/controller.h"

#include <endian.h>
#include <errno.h>
#include <event2/event.h>
#include <string.h>
#include <unistd.h>

/* Offsets of NVMe over PCIe 1.0, figure 4, and bits of the registers (NVMe Base 2.0, section 3.1.3). */
enum {
    REGISTER_CAP = 0x00,
    REGISTER_CC = 0x14,
    REGISTER_CSTS = 0x1c,
    REGISTER_AQA = 0x24,
    REGISTER_ASQ = 0x28,
    REGISTER_ACQ = 0x30,
    DOORBELLS = 0x1000,
    CC_ENABLE = 1,
    CC_ENTRY_SIZES = 6 << 16 | 4 << 20,
    CSTS_READY = 1,
    CSTS_FATAL = 2,
    PAUSE_MAX_MILLISECONDS = 64,
};

static uint32_t read32(const struct controller *controller, unsigned offset)
{
    uint32_t value;
    off_t at = (off_t)(controller->bar_offset + offset);

    /* A failed read looks like one that nobody answered on the bus. */
    if (pread(controller->device_fd, &value, sizeof(value), at) != sizeof(value))
        return UINT32_MAX;
    return le32toh(value);
}

static int write32(const struct controller *controller, unsigned offset, uint32_t value)
{
    uint32_t wire = htole32(value);
    off_t at = (off_t)(controller->bar_offset + offset);

    return pwrite(controller->device_fd, &wire, sizeof(wire), at) == sizeof(wire) ? 0 : -EIO;
}

/* After what the controller is to act on: whoever reads its registers may sleep. */
static int wake(const struct controller *controller)
{
    const uint64_t one = 1;

    /* A counter that is full wakes all the same. */
    if (controller->wake_fd >= 0 && write(controller->wake_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
        return -EIO;
    return 0;
}

static int write64(const struct controller *controller, unsigned offset, uint64_t value)
{
    int r = write32(controller, offset, (uint32_t)value);

    return r < 0 ? r : write32(controller, offset + 4, (uint32_t)(value >> 32));
}

static uint64_t read64(const struct controller *controller, unsigned offset)
{
    return (uint64_t)read32(controller, offset + 4) << 32 | read32(controller, offset);
}

static int configure(const struct controller *controller, uint32_t configuration)
{
    int r = write32(controller, REGISTER_CC, configuration);

    return r < 0 ? r : wake(controller);
}

static const char *wrong(uint32_t status)
{
    if (status == UINT32_MAX)
        return "its registers read all ones: it is gone or its memory is off";
    return status & CSTS_FATAL ? "controller fatal status (CSTS.CFS)" : NULL;
}

/* Both registers in one call: every function is looked at again and again. */
static bool admin_queue_stands(const struct controller *controller)
{
    const uint64_t expected[] = {htole64(controller->submission_iova), htole64(controller->completion_iova)};
    uint64_t found[2];
    off_t at = (off_t)(controller->bar_offset + REGISTER_ASQ);

    _Static_assert(REGISTER_ACQ == REGISTER_ASQ + 8, "they follow one another");
    return pread(controller->device_fd, found, sizeof(found), at) == sizeof(found) &&
           memcmp(found, expected, sizeof(found)) == 0;
}

const char *controller_check(const struct controller *controller)
{
    uint32_t status = read32(controller, REGISTER_CSTS);
    const char *reason = wrong(status);

    if (reason)
        return reason;
    if (!(status & CSTS_READY))
        return "the controller was disabled or reset behind homid's back";
    /* Whoever holds the device may have brought it up again, with an admin queue of its own. */
    if (!admin_queue_stands(controller))
        return "the controller's admin queue was moved behind homid's back";
    return NULL;
}

int controller_ring(const struct controller *controller, unsigned index, uint32_t value)
{
    bool submission = index % 2 == 0;

    int r = write32(controller, DOORBELLS + index * controller_doorbell_stride(controller), value);
    /* Nobody waits for room in the completion queue of an admin queue: it holds all that may be in flight. */
    return r == 0 && submission ? wake(controller) : r;
}

static void look_again(struct controller *controller)
{
    struct timeval pause = {.tv_usec = controller->pause_milliseconds * 1000};

    event_add(controller->timer, &pause);
    controller->waited_milliseconds += controller->pause_milliseconds;
    controller->pause_milliseconds *= 2;
    if (controller->pause_milliseconds > PAUSE_MAX_MILLISECONDS)
        controller->pause_milliseconds = PAUSE_MAX_MILLISECONDS;
}

static void begin(struct controller *controller, bool enabling, controller_done done, void *user)
{
    const struct timeval now = {0};

    controller->enabling = enabling;
    controller->programmed = false;
    controller->waited_milliseconds = 0;
    controller->pause_milliseconds = 1;
    controller->done = done;
    controller->user = user;
    event_add(controller->timer, &now);
}

static void end(struct controller *controller, int error, const char *reason)
{
    controller->done(controller->user, error, reason);
}

/* CAP.TO counts half seconds; a device that says 0 gets one. */
static bool out_of_time(const struct controller *controller)
{
    unsigned halves = (unsigned)(controller->capabilities >> 24 & 0xff);

    return controller->waited_milliseconds > (halves ? halves : 1) * 500 + 500;
}

static int program(struct controller *controller)
{
    uint32_t last = controller->entries - 1u;
    int r = write32(controller, REGISTER_AQA, last << 16 | last);

    if (r == 0)
        r = write64(controller, REGISTER_ASQ, controller->submission_iova);
    if (r == 0)
        r = write64(controller, REGISTER_ACQ, controller->completion_iova);
    if (r == 0)
        r = configure(controller, CC_ENTRY_SIZES | CC_ENABLE);
    controller->programmed = true;
    return r;
}

static void on_timer(evutil_socket_t fd, short events, void *user)
{
    struct controller *controller = user;
    uint32_t status = read32(controller, REGISTER_CSTS);
    const char *reason = wrong(status);
    bool want_ready = controller->programmed;
    (void)fd;
    (void)events;

    if (status == UINT32_MAX || (reason && want_ready)) {
        end(controller, -EIO, reason);
    } else if (!!(status & CSTS_READY) != want_ready) {
        if (out_of_time(controller))
            end(controller, -ETIMEDOUT, want_ready ? "it does not become ready" : "it does not stop");
        else
            look_again(controller);
    } else if (controller->enabling && !controller->programmed) {
        if (program(controller) < 0)
            end(controller, -EIO, "its registers cannot be written");
        else
            look_again(controller);
    } else {
        end(controller, 0, NULL);
    }
}

int controller_init(struct controller *controller, struct event_base *base, int device_fd, int wake_fd,
                    uint64_t bar_offset)
{
    *controller = (struct controller){.device_fd = device_fd, .wake_fd = wake_fd, .bar_offset = bar_offset};
    controller->timer = evtimer_new(base, on_timer, controller);
    return controller->timer ? 0 : -ENOMEM;
}

void controller_fini(struct controller *controller)
{
    if (controller->timer)
        event_free(controller->timer);
    controller->timer = NULL;
}

void controller_disable(struct controller *controller, controller_done done, void *user)
{
    uint32_t configuration = read32(controller, REGISTER_CC);

    begin(controller, false, done, user);
    if (configuration != UINT32_MAX && configuration & CC_ENABLE)
        configure(controller, configuration & ~(uint32_t)CC_ENABLE);
}

void controller_enable(struct controller *controller, uint64_t submission_iova, uint64_t completion_iova,
                       uint16_t entries, controller_done done, void *user)
{
    controller->capabilities = read64(controller, REGISTER_CAP);
    controller->submission_iova = submission_iova;
    controller->completion_iova = completion_iova;
    controller->entries = entries;
    controller_disable(controller, done, user);
    controller->enabling = true;
}
