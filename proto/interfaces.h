/* SPDX-License-Identifier: BSD-3-Clause */
/* The interface definitions of this folder, embedded verbatim as NUL-terminated strings. */
#ifndef HOMI_PROTO_INTERFACES_H
#define HOMI_PROTO_INTERFACES_H

extern const char interface_io_homi_tenant[];
extern const char interface_io_homi_admin[];
extern const char interface_io_homi_model[];
extern const char interface_io_homi_protocol[];
extern const char interface_org_varlink_service[];

#endif
