/* SPDX-License-Identifier: BSD-3-Clause */
/* Who has a device node open, and how it is made to let go. Reads /proc: in helper processes only. */
#ifndef HOMI_DAEMON_HW_LINUX_HOLDERS_H
#define HOMI_DAEMON_HW_LINUX_HOLDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define HOLDER_TEXT_BYTES 96

struct holder_search {
    dev_t node;       /* a character or block device */
    bool vfio_device; /* VFIO device descriptors of `user` count too: they bear no node's number */
    uid_t user;
};

/*
 * The first process that has it open: "process 812 (qemu-system-x86) of unit vm.service, since 34 s".
 * false: none is to be seen.
 */
bool holders_name(const struct holder_search *search, char ret_text[HOLDER_TEXT_BYTES]);
/* Kills every process of search->user that has it open, and waits a moment for their end. */
void holders_kill(const struct holder_search *search);

#endif
