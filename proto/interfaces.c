/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/interfaces.h"

/*
 * The assembler copies the files in, so that what is served is what was reviewed. Paths count from the
 * repository root, where the compiler runs; %progbits is the spelling that every architecture's assembler
 * takes.
 */
#define EMBED(symbol, path)                                                                                  \
    __asm__(".pushsection .rodata." #symbol ",\"a\",%progbits\n"                                             \
            ".globl " #symbol "\n"                                                                           \
            ".hidden " #symbol "\n"                                                                          \
            ".type " #symbol ",%object\n" #symbol ":\n"                                                      \
            ".incbin \"" path "\"\n"                                                                         \
            ".byte 0\n"                                                                                      \
            ".size " #symbol ",.-" #symbol "\n"                                                              \
            ".popsection\n")

EMBED(interface_io_homi_tenant, "proto/io.homi.Tenant.varlink");
EMBED(interface_io_homi_admin, "proto/io.homi.Admin.varlink");
EMBED(interface_io_homi_model, "proto/io.homi.Model.varlink");
EMBED(interface_io_homi_protocol, "proto/io.homi.Protocol.varlink");
EMBED(interface_org_varlink_service, "proto/org.varlink.service.varlink");
