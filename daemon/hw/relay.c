/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports, pages and queue pairs: what the relay shall hold, and the memory that it shares. */
#include "daemon/hw/relay.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/hw/relay_internal.h"

/* Of CSTS (NVMe Base 2.0, section 3.1.3.6), as tenants read it in their page. */
enum { STATUS_GONE = 0, STATUS_READY = 1, STATUS_FAILED = 3 };

/* Memory of a size that nobody can change, so that no access to it fails for that. */
static int sealed_memory(const char *name, uint64_t bytes, int *ret_fd, uint8_t **ret_view)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    void *view = MAP_FAILED;

    if (fd < 0)
        return -errno;
    if (ftruncate(fd, (off_t)bytes) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        view = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (view == MAP_FAILED) {
        int r = -errno;
        close(fd);
        return r;
    }
    *ret_fd = fd;
    *ret_view = view;
    return 0;
}

/* Maps memory that another process made; it must be of this size. */
static int view_memory(int fd, uint64_t bytes, struct stat *ret_status, uint8_t **ret_view)
{
    if (fstat(fd, ret_status) < 0)
        return -errno;
    if (ret_status->st_size != (off_t)bytes)
        return -EPROTO;
    void *view = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (view == MAP_FAILED)
        return -errno;
    *ret_view = view;
    return 0;
}

static void name_function(const struct relay_port *port, struct relay_message *message)
{
    memcpy(message->function, port->target.address, sizeof(message->function));
}

/* ---- ledgers ---- */

int relay_ledger_new(uint16_t pairs, struct relay_ledger *ret_ledger)
{
    struct relay_ledger ledger = {.pairs = pairs};
    int r = sealed_memory("homi-doorbell-ledger", doorbells_ledger_bytes(pairs), &ledger.fd, &ledger.view);

    if (r < 0)
        return r;
    ledger.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (ledger.wake_fd < 0) {
        r = -errno;
        relay_ledger_free(&ledger);
        return r;
    }
    *ret_ledger = ledger;
    return 0;
}

int relay_ledger_adopt(int fd, int wake_fd, uint16_t pairs, struct relay_ledger *ret_ledger)
{
    struct relay_ledger ledger = {.fd = fd, .wake_fd = wake_fd, .pairs = pairs};
    struct stat status;
    int r = view_memory(fd, doorbells_ledger_bytes(pairs), &status, &ledger.view);

    if (r == 0)
        *ret_ledger = ledger;
    return r;
}

void relay_ledger_free(struct relay_ledger *ledger)
{
    if (ledger->view)
        munmap(ledger->view, doorbells_ledger_bytes(ledger->pairs));
    if (ledger->fd >= 0)
        close(ledger->fd);
    if (ledger->wake_fd >= 0)
        close(ledger->wake_fd);
    *ledger = RELAY_LEDGER_NONE;
}

/* ---- ports ---- */

int relay_port_new(struct relay_link *link, const struct relay_target *target,
                   void (*ended)(void *user, uint16_t id, const char *reason), void *user,
                   struct relay_port **ret_port)
{
    struct relay_port *port = calloc(1, sizeof(*port));

    if (!port)
        return -ENOMEM;
    port->owner = link;
    port->target = *target;
    port->ended = ended;
    port->user = user;
    LIST_INIT(&port->pages);
    port->queues = calloc(target->pairs + 1u, sizeof(*port->queues));
    if (!port->queues) {
        free(port);
        return -ENOMEM;
    }
    TAILQ_INSERT_TAIL(relay_link_ports(link), port, link);
    *ret_port = port;
    relay_link_pump(link);
    return 0;
}

static void page_free(struct hw_page *page)
{
    LIST_REMOVE(page, link);
    munmap(page->view, doorbells_page_bytes(page->port->target.pairs));
    close(page->fd);
    free(page);
}

/* Whoever waited for it is told nothing. */
static void forget(struct relay_port *port)
{
    struct relay_removal *removal;

    TAILQ_FOREACH (removal, relay_link_removals(port->owner), link) {
        if (removal->port == port) {
            removal->port = NULL;
            removal->done = NULL;
        }
    }
    relay_port_fail(port);
    TAILQ_REMOVE(relay_link_ports(port->owner), port, link);
    while (!LIST_EMPTY(&port->pages))
        page_free(LIST_FIRST(&port->pages));
    free(port->queues);
    free(port);
}

void relay_port_close(struct relay_port *port, relay_done done, void *user)
{
    struct relay_message message = {.kind = RELAY_FUNCTION_GONE};
    struct relay_link *link = port->owner;

    name_function(port, &message);
    forget(port);
    relay_link_remove(link, NULL, &message, done, user);
}

void relay_function_close(struct relay_link *link, const char *address, relay_done done, void *user)
{
    struct relay_message message = {.kind = RELAY_FUNCTION_GONE};

    memcpy(message.function, address, sizeof(message.function));
    relay_link_remove(link, NULL, &message, done, user);
}

void relay_port_free(struct relay_port *port)
{
    if (port)
        relay_port_close(port, NULL, NULL);
}

static struct doorbells_line *line_of(const struct hw_page *page, uint16_t id)
{
    return (struct doorbells_line *)(void *)(page->view + (size_t)id * DOORBELLS_LINE_BYTES);
}

/* Homid's word: the tenant may write over it, and then deceives itself. */
static void set_status(const struct hw_page *page, uint16_t id, uint32_t status)
{
    __atomic_store_n(&line_of(page, id)->status, htole32(status), __ATOMIC_RELEASE);
}

void relay_queue_fail(struct relay_port *port, uint16_t id)
{
    if (port->queues[id].page)
        set_status(port->queues[id].page, id, STATUS_FAILED);
}

void relay_port_fail(struct relay_port *port)
{
    for (unsigned id = 1; id <= port->target.pairs; id++)
        relay_queue_fail(port, (uint16_t)id);
}

void relay_port_suspend(struct relay_port *port, relay_done done, void *user)
{
    struct relay_message message = {.kind = RELAY_FUNCTION_GONE};
    struct hw_page *page;

    relay_port_fail(port);
    port->suspended = true;
    port->sent = false;
    LIST_FOREACH (page, &port->pages, link)
        page->sent = false;
    for (unsigned id = 1; id <= port->target.pairs; id++)
        port->queues[id] = (struct relay_queue){0};
    name_function(port, &message);
    relay_link_remove(port->owner, port, &message, done, user);
}

void relay_port_resume(struct relay_port *port)
{
    port->suspended = false;
    relay_link_pump(port->owner);
}

/* ---- pages ---- */

int relay_page_new(struct relay_port *port, struct hw_page **ret_page)
{
    struct hw_page *page = calloc(1, sizeof(*page));
    struct stat status;

    if (!page)
        return -ENOMEM;
    int r = sealed_memory("homi-doorbells", doorbells_page_bytes(port->target.pairs), &page->fd, &page->view);
    if (r < 0) {
        free(page);
        return r;
    }
    page->port = port;
    LIST_INSERT_HEAD(&port->pages, page, link);
    if (fstat(page->fd, &status) < 0) {
        r = -errno;
        page_free(page);
        return r;
    }
    page->key = status.st_ino;
    /* Nobody looks at it yet. */
    *(volatile uint32_t *)(page->view + DOORBELLS_WAKE_OFFSET) = htole32(1);
    *ret_page = page;
    relay_link_pump(port->owner);
    return 0;
}

int relay_page_adopt(struct relay_port *port, int fd, struct hw_page **ret_page)
{
    struct hw_page *page = calloc(1, sizeof(*page));
    struct stat status;

    if (!page)
        return -ENOMEM;
    int r = view_memory(fd, doorbells_page_bytes(port->target.pairs), &status, &page->view);
    if (r < 0) {
        free(page);
        return r;
    }
    page->port = port;
    page->fd = fd;
    page->key = status.st_ino;
    LIST_INSERT_HEAD(&port->pages, page, link);
    *ret_page = page;
    relay_link_pump(port->owner);
    return 0;
}

void relay_page_free(struct hw_page *page)
{
    struct relay_message message = {.kind = RELAY_PAGE_GONE};

    if (!page)
        return;
    message.page.key = page->key;
    name_function(page->port, &message);
    relay_link_remove(page->port->owner, NULL, &message, NULL, NULL);
    page_free(page);
}

void relay_page_info(const struct hw_page *page, struct hw_page_info *ret_info)
{
    *ret_info = (struct hw_page_info){.fd = page->fd,
                                      .wake_fd = page->port->target.ledger->wake_fd,
                                      .bytes = doorbells_page_bytes(page->port->target.pairs),
                                      .wake_offset = DOORBELLS_WAKE_OFFSET};
}

void relay_page_queue(const struct hw_page *page, uint16_t id, struct hw_page_queue *ret_queue)
{
    const struct doorbells_ledger *ledger =
        (const struct doorbells_ledger *)(const void *)page->port->target.ledger->view + id;
    uint32_t line = id * DOORBELLS_LINE_BYTES;

    *ret_queue = (struct hw_page_queue){
        .submission = line + (uint32_t)offsetof(struct doorbells_line, submission),
        .completion = line + (uint32_t)offsetof(struct doorbells_line, completion),
        .status = line + (uint32_t)offsetof(struct doorbells_line, status),
        .commands = __atomic_load_n(&ledger->commands, __ATOMIC_RELAXED),
    };
}

/* ---- queue pairs ---- */

void relay_queue_prepare(struct hw_page *page, uint16_t id)
{
    struct doorbells_ledger *ledger = (struct doorbells_ledger *)(void *)page->port->target.ledger->view + id;
    struct doorbells_line *line = line_of(page, id);

    *ledger = (struct doorbells_ledger){0};
    line->submission = line->completion = 0;
    set_status(page, id, STATUS_READY);
}

void relay_queue_add(struct hw_page *page, uint16_t id, uint32_t entries)
{
    page->port->queues[id] = (struct relay_queue){.page = page, .entries = entries};
    relay_link_pump(page->port->owner);
}

void relay_queue_doubt(struct relay_port *port, struct hw_page *page, uint16_t id)
{
    port->queues[id] = (struct relay_queue){.page = page, .doubtful = true};
}

bool relay_queue_there(const struct relay_port *port, uint16_t id)
{
    return id <= port->target.pairs && (port->queues[id].page || port->queues[id].doubtful);
}

void relay_queue_remove(struct relay_port *port, uint16_t id, relay_done done, void *user)
{
    struct relay_message message = {.kind = RELAY_QUEUE_GONE, .queue = {.id = id}};

    name_function(port, &message);
    if (port->queues[id].page)
        set_status(port->queues[id].page, id, STATUS_GONE);
    port->queues[id] = (struct relay_queue){0};
    relay_link_remove(port->owner, port, &message, done, user);
}

void relay_cancel(struct relay_port *port, const void *user)
{
    struct relay_removal *removal;

    TAILQ_FOREACH (removal, relay_link_removals(port->owner), link) {
        if (removal->port == port && removal->user == user)
            removal->done = NULL;
    }
}
