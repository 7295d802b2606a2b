/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The machine as files under /sys and /proc show it, below a root that a test or a collected tree may give.
 * Nothing here changes anything. Paths are printf formats, without the root.
 */
#ifndef HOMI_HOMICTL_MACHINE_H
#define HOMI_HOMICTL_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MACHINE_TEXT_BYTES 4096
#define MACHINE_NAME_BYTES 64

/* A file's text without blanks and newlines at its end. Returns 0 or a negative errno. */
int machine_read(const char *root, char ret_text[MACHINE_TEXT_BYTES], const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int machine_number(const char *root, uint64_t *ret_number, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool machine_exists(const char *root, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The last part of where a symbolic link leads. */
int machine_link(const char *root, char ret_name[MACHINE_NAME_BYTES], const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Whether a line of the file holds text. */
bool machine_mentions(const char *root, const char *path, const char *text);

/* Calls each() with the name of every entry of a folder, in their order; how many there were, 0 without a
 * folder. */
unsigned machine_each(const char *root, const char *folder, void (*each)(void *user, const char *name),
                      void *user);

/* An NVMe controller of the kernel's driver that is no virtual function. */
struct machine_controller {
    char name[MACHINE_NAME_BYTES];    /* "nvme0" */
    char address[MACHINE_NAME_BYTES]; /* of its PCI function */
    char serial[MACHINE_NAME_BYTES], model[MACHINE_NAME_BYTES], firmware[MACHINE_NAME_BYTES];
};

void machine_each_controller(const char *root,
                             void (*each)(void *user, const struct machine_controller *controller),
                             void *user);

#endif
