/* SPDX-License-Identifier: BSD-3-Clause */
/* A parsed interface definition, as proto/idl.c builds it and proto/idl_check.c walks it. */
#ifndef HOMI_PROTO_IDL_TYPES_H
#define HOMI_PROTO_IDL_TYPES_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/idl.h"

enum idl_kind {
    IDL_BOOL,
    IDL_INT,
    IDL_FLOAT,
    IDL_STRING,
    IDL_OBJECT, /* any JSON object */
    IDL_ANY,    /* any value but null */
    IDL_NAMED,  /* a type of the interface */
    IDL_ARRAY,
    IDL_MAP,
    IDL_STRUCT,
    IDL_ENUM,
};

struct idl_type {
    enum idl_kind kind;
    bool nullable;
    struct idl_type *element;      /* IDL_ARRAY, IDL_MAP; owned */
    char *name;                    /* IDL_NAMED; owned */
    const struct idl_type *target; /* IDL_NAMED, once resolved; borrowed */
    unsigned line;                 /* IDL_NAMED: where it is used */
    struct idl_field *fields;      /* IDL_STRUCT, IDL_ENUM; owned */
    size_t field_count;
};

struct idl_field {
    char *name;
    struct idl_type *type; /* NULL in an IDL_ENUM */
};

enum idl_member_kind { IDL_TYPE, IDL_METHOD, IDL_ERROR };

struct idl_member {
    enum idl_member_kind kind;
    char *name;
    struct idl_type *type;   /* a type's body, a method's input, an error's parameters */
    struct idl_type *output; /* a method's */
};

/* What idl.h hands out are members, seen as what they are. */
struct idl_method {
    struct idl_member member;
};

struct idl_error {
    struct idl_member member;
};

struct idl_interface {
    char *text, *name;
    struct idl_member **members;
    size_t member_count;
};

#endif
