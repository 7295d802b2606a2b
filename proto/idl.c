/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/idl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/idl_types.h"

/* Types within types. Values nest no deeper than VARLINK_JSON_DEPTH_MAX anyway. */
#define TYPE_DEPTH_MAX 32

/* The grammar is that of UAPI.20, "Interface Definition". */
struct parser {
    struct idl_interface *interface;
    const char *at;
    unsigned line, depth;
};

static int parse_type(struct parser *p, struct idl_type **ret_type);

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_alphanumeric(char c)
{
    return is_letter(c) || (c >= '0' && c <= '9');
}

/* White space and comments. */
static void skip(struct parser *p)
{
    for (;; p->at++) {
        if (*p->at == '#') {
            p->at += strcspn(p->at, "\n");
        }
        if (*p->at == '\n') {
            p->line++;
        } else if (*p->at != ' ' && *p->at != '\t' && *p->at != '\r') {
            return;
        }
    }
}

static bool take(struct parser *p, const char *token)
{
    size_t length = strlen(token);

    if (strncmp(p->at, token, length) != 0) {
        return false;
    }
    p->at += length;
    return true;
}

/* A keyword and the white space that must follow it. */
static bool take_keyword(struct parser *p, const char *keyword)
{
    const char *end = p->at + strlen(keyword);

    if (strncmp(p->at, keyword, (size_t)(end - p->at)) != 0 || !*end || !strchr(" \t\r\n#", *end)) {
        return false;
    }
    p->at = end;
    skip(p);
    return true;
}

static int copy_until(struct parser *p, const char *end, char **ret_text)
{
    char *text = strndup(p->at, (size_t)(end - p->at));

    if (!text) {
        return -ENOMEM;
    }
    p->at = end;
    *ret_text = text;
    return 0;
}

/* [A-Za-z]([-]*[A-Za-z0-9])*(\.[A-Za-z0-9]([-]*[A-Za-z0-9])*)+ */
static int parse_interface_name(struct parser *p, char **ret_name)
{
    const char *end = p->at;
    bool dotted = false;

    if (!is_letter(*end)) {
        return -EINVAL;
    }
    for (;;) {
        const char *next = end + 1;
        next += strspn(next, "-");
        if (*next == '.' && next == end + 1) {
            dotted = true;
            next++;
        }
        if (!is_alphanumeric(*next)) {
            break;
        }
        end = next;
    }
    if (!dotted || end[1] == '-' || end[1] == '.') {
        return -EINVAL;
    }
    return copy_until(p, end + 1, ret_name);
}

/* [A-Z][A-Za-z0-9]* */
static int parse_name(struct parser *p, char **ret_name)
{
    const char *end = p->at;

    if (*end < 'A' || *end > 'Z') {
        return -EINVAL;
    }
    while (is_alphanumeric(*end)) {
        end++;
    }
    return copy_until(p, end, ret_name);
}

/* [A-Za-z](_?[A-Za-z0-9])* */
static int parse_field_name(struct parser *p, char **ret_name)
{
    const char *end = p->at;

    if (!is_letter(*end)) {
        return -EINVAL;
    }
    while (is_alphanumeric(*end) || (*end == '_' && is_alphanumeric(end[1]))) {
        end++;
    }
    return copy_until(p, end, ret_name);
}

static void type_free(struct idl_type *type)
{
    if (!type) {
        return;
    }
    for (size_t i = 0; i < type->field_count; i++) {
        free(type->fields[i].name);
        type_free(type->fields[i].type);
    }
    free(type->fields);
    free(type->name);
    type_free(type->element);
    free(type);
}

static void member_free(struct idl_member *member)
{
    if (!member) {
        return;
    }
    free(member->name);
    type_free(member->type);
    type_free(member->output);
    free(member);
}

static int add_field(struct idl_type *type, struct idl_field field)
{
    struct idl_field *fields;

    for (size_t i = 0; i < type->field_count; i++) {
        if (strcmp(type->fields[i].name, field.name) == 0) {
            return -EINVAL;
        }
    }
    fields = reallocarray(type->fields, type->field_count + 1, sizeof(*fields));
    if (!fields) {
        return -ENOMEM;
    }
    fields[type->field_count++] = field;
    type->fields = fields;
    return 0;
}

/* One field of a structure or, without a type, one value of an enumeration; the first one tells which it is.
 */
static int parse_field(struct parser *p, struct idl_type *type)
{
    struct idl_field field = {0};
    bool typed;
    int r;

    skip(p);
    r = parse_field_name(p, &field.name);
    if (r) {
        return r;
    }
    skip(p);
    typed = take(p, ":");
    if (type->field_count == 0) {
        type->kind = typed ? IDL_STRUCT : IDL_ENUM;
    }
    if (typed != (type->kind == IDL_STRUCT)) {
        r = -EINVAL;
    } else if (typed) {
        skip(p);
        r = parse_type(p, &field.type);
    }
    if (r == 0) {
        r = add_field(type, field);
    }
    if (r) {
        free(field.name);
        type_free(field.type);
    }
    return r;
}

/* A structure or an enumeration, behind its opening parenthesis. */
static int parse_fields(struct parser *p, struct idl_type *type)
{
    int r;

    type->kind = IDL_STRUCT;
    skip(p);
    if (take(p, ")")) {
        return 0;
    }
    do {
        r = parse_field(p, type);
        if (r) {
            return r;
        }
        skip(p);
    } while (take(p, ","));
    return take(p, ")") ? 0 : -EINVAL;
}

static int parse_simple_type(struct parser *p, struct idl_type *type)
{
    static const struct {
        const char *word;
        enum idl_kind kind;
    } words[] = {{"bool", IDL_BOOL},     {"int", IDL_INT},       {"float", IDL_FLOAT},
                 {"string", IDL_STRING}, {"object", IDL_OBJECT}, {"any", IDL_ANY}};

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        size_t length = strlen(words[i].word);
        if (strncmp(p->at, words[i].word, length) == 0 && !is_alphanumeric(p->at[length])) {
            p->at += length;
            type->kind = words[i].kind;
            return 0;
        }
    }
    type->kind = IDL_NAMED;
    type->line = p->line;
    return parse_name(p, &type->name);
}

static int parse_type(struct parser *p, struct idl_type **ret_type)
{
    struct idl_type *type;
    int r;

    if (p->depth == TYPE_DEPTH_MAX) {
        return -EINVAL;
    }
    type = calloc(1, sizeof(*type));
    if (!type) {
        return -ENOMEM;
    }
    p->depth++;
    type->nullable = take(p, "?");
    if (take(p, "[]")) {
        type->kind = IDL_ARRAY;
        r = parse_type(p, &type->element);
    } else if (take(p, "[string]")) {
        type->kind = IDL_MAP;
        r = parse_type(p, &type->element);
    } else if (take(p, "(")) {
        r = parse_fields(p, type);
    } else {
        r = parse_simple_type(p, type);
    }
    p->depth--;
    if (r) {
        type_free(type);
        return r;
    }
    *ret_type = type;
    return 0;
}

/* A type's body, or the parameters of a method or an error, which are no enumeration. */
static int parse_body(struct parser *p, bool enum_allowed, struct idl_type **ret_type)
{
    int r;

    skip(p);
    if (*p->at != '(') {
        return -EINVAL;
    }
    r = parse_type(p, ret_type);
    if (r) {
        return r;
    }
    return enum_allowed || (*ret_type)->kind == IDL_STRUCT ? 0 : -EINVAL;
}

static const struct idl_member *find(const struct idl_interface *interface, const char *name)
{
    for (size_t i = 0; i < interface->member_count; i++) {
        if (strcmp(interface->members[i]->name, name) == 0) {
            return interface->members[i];
        }
    }
    return NULL;
}

static int parse_member_into(struct parser *p, struct idl_member *member)
{
    int r;

    if (take_keyword(p, "type")) {
        member->kind = IDL_TYPE;
    } else if (take_keyword(p, "method")) {
        member->kind = IDL_METHOD;
    } else if (take_keyword(p, "error")) {
        member->kind = IDL_ERROR;
    } else {
        return -EINVAL;
    }
    r = parse_name(p, &member->name);
    if (r) {
        return r;
    }
    /* Types, methods and errors share one name space. */
    if (find(p->interface, member->name)) {
        return -EINVAL;
    }
    r = parse_body(p, member->kind == IDL_TYPE, &member->type);
    if (r || member->kind != IDL_METHOD) {
        return r;
    }
    skip(p);
    return take(p, "->") ? parse_body(p, false, &member->output) : -EINVAL;
}

/* What must follow the interface's name and every member: the end of the line, or of the text. */
static bool at_line_end(struct parser *p)
{
    p->at += strspn(p->at, " \t");
    return !*p->at || strchr("\r\n#", *p->at);
}

static int parse_member(struct parser *p)
{
    struct idl_interface *interface = p->interface;
    struct idl_member **members;
    struct idl_member *member = calloc(1, sizeof(*member));
    int r;

    if (!member) {
        return -ENOMEM;
    }
    r = parse_member_into(p, member);
    if (r == 0 && !at_line_end(p)) {
        r = -EINVAL;
    }
    if (r) {
        member_free(member);
        return r;
    }
    members = reallocarray(interface->members, interface->member_count + 1, sizeof(struct idl_member *));
    if (!members) {
        member_free(member);
        return -ENOMEM;
    }
    members[interface->member_count++] = member;
    interface->members = members;
    return 0;
}

static int parse_interface(struct parser *p)
{
    int r;

    skip(p);
    if (!take_keyword(p, "interface")) {
        return -EINVAL;
    }
    r = parse_interface_name(p, &p->interface->name);
    if (r) {
        return r;
    }
    if (!at_line_end(p)) {
        return -EINVAL;
    }
    for (skip(p); *p->at; skip(p)) {
        r = parse_member(p);
        if (r) {
            return r;
        }
    }
    return 0;
}

/* Finds the types that are used by name, also those that are defined later or use themselves. */
static int resolve(struct parser *p, struct idl_type *type)
{
    int r = 0;

    if (!type) {
        return 0;
    }
    if (type->kind == IDL_NAMED) {
        const struct idl_member *member = find(p->interface, type->name);
        if (!member || member->kind != IDL_TYPE) {
            p->line = type->line;
            return -EINVAL;
        }
        type->target = member->type;
    }
    for (size_t i = 0; i < type->field_count && r == 0; i++) {
        r = resolve(p, type->fields[i].type);
    }
    return r ? r : resolve(p, type->element);
}

int idl_parse(const char *text, struct idl_interface **ret_interface, unsigned *ret_line)
{
    struct parser p = {.interface = calloc(1, sizeof(struct idl_interface)), .at = text, .line = 1};
    int r;

    if (!p.interface) {
        return -ENOMEM;
    }
    p.interface->text = strdup(text);
    r = p.interface->text ? parse_interface(&p) : -ENOMEM;
    for (size_t i = 0; i < p.interface->member_count && r == 0; i++) {
        r = resolve(&p, p.interface->members[i]->type);
        if (r == 0) {
            r = resolve(&p, p.interface->members[i]->output);
        }
    }
    if (r) {
        idl_free(p.interface);
        if (r == -EINVAL && ret_line) {
            *ret_line = p.line;
        }
        return r;
    }
    *ret_interface = p.interface;
    return 0;
}

void idl_free(struct idl_interface *interface)
{
    if (!interface) {
        return;
    }
    for (size_t i = 0; i < interface->member_count; i++) {
        member_free(interface->members[i]);
    }
    free(interface->members);
    free(interface->name);
    free(interface->text);
    free(interface);
}

const char *idl_name(const struct idl_interface *interface)
{
    return interface->name;
}

const char *idl_text(const struct idl_interface *interface)
{
    return interface->text;
}

size_t idl_count_methods(const struct idl_interface *interface)
{
    size_t count = 0;

    for (size_t i = 0; i < interface->member_count; i++) {
        count += interface->members[i]->kind == IDL_METHOD;
    }
    return count;
}

const struct idl_method *idl_find_method(const struct idl_interface *interface, const char *name)
{
    const struct idl_member *member = find(interface, name);

    return member && member->kind == IDL_METHOD ? (const struct idl_method *)member : NULL;
}

const struct idl_error *idl_find_error(const struct idl_interface *interface, const char *name)
{
    const struct idl_member *member = find(interface, name);

    return member && member->kind == IDL_ERROR ? (const struct idl_error *)member : NULL;
}
