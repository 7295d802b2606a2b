/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/config/schema.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/core/core.h"

enum kind {
    KIND_NAME,    /* of a device or tenant */
    KIND_TEXT,    /* minimum to maximum characters */
    KIND_ADDRESS, /* of a PCI function */
    KIND_SOCKET,  /* an absolute path that fits sun_path */
    KIND_LEVEL,
    KIND_BACKEND,
    KIND_DELEGATION,
    KIND_SCRUB,
    KIND_PATH, /* absolute */
    KIND_FLAG,
    KIND_NUMBER,
    KIND_BYTES,
    KIND_ACCOUNT, /* a user's or group's name or id */
    KIND_LIST,    /* of element */
    KIND_OBJECT,  /* with members */
    KIND_NAMED,   /* a list of objects that are told apart by their name */
    KIND_RECORDS, /* a list of objects without names */
};

struct key {
    const char *name;
    enum kind kind;
    int64_t minimum, maximum;
    const struct key *members; /* of an object, or of a list's objects */
    enum kind element;         /* of a list */
};

static const struct key namespace_keys[] = {
    {.name = "device", .kind = KIND_NAME},
    {.name = "id", .kind = KIND_NUMBER, .minimum = 1, .maximum = UINT32_MAX - 1},
    {.name = "shared", .kind = KIND_FLAG},
    {.name = "scrub", .kind = KIND_SCRUB},
    {0},
};

static const struct key device_keys[] = {
    {.name = "name", .kind = KIND_NAME},
    {.name = "serial", .kind = KIND_TEXT, .minimum = 1, .maximum = 20},
    {.name = "address", .kind = KIND_ADDRESS},
    {.name = "virtualFunctions", .kind = KIND_NUMBER, .minimum = 1, .maximum = HW_FUNCTIONS_MAX},
    {.name = "queuePairs", .kind = KIND_NUMBER, .minimum = 1, .maximum = UINT16_MAX},
    {.name = "interrupts", .kind = KIND_NUMBER, .minimum = 0, .maximum = HW_INTERRUPTS_MAX - 1},
    {0},
};

static const struct key tenant_keys[] = {
    {.name = "name", .kind = KIND_NAME},
    {.name = "trusted", .kind = KIND_FLAG},
    {.name = "delegation", .kind = KIND_DELEGATION},
    {.name = "users", .kind = KIND_LIST, .element = KIND_ACCOUNT},
    {.name = "groups", .kind = KIND_LIST, .element = KIND_ACCOUNT},
    {.name = "devices", .kind = KIND_LIST, .element = KIND_NAME},
    {.name = "namespaces", .kind = KIND_RECORDS, .members = namespace_keys},
    {.name = "virtualFunctionsMax", .kind = KIND_NUMBER, .minimum = 0, .maximum = CORE_LEASES_MAX},
    {.name = "queuePairsMax", .kind = KIND_NUMBER, .minimum = 0, .maximum = 1000000},
    {.name = "queuePairsPerSecond", .kind = KIND_NUMBER, .minimum = 1, .maximum = 1000000},
    {.name = "memoryMax", .kind = KIND_BYTES, .minimum = 0, .maximum = INT64_C(1) << 50},
    {.name = "connectionsMax", .kind = KIND_NUMBER, .minimum = 0, .maximum = 100000},
    {.name = "regionsMax", .kind = KIND_NUMBER, .minimum = 0, .maximum = 65535},
    {.name = "leaseSecondsMax", .kind = KIND_NUMBER, .minimum = 0, .maximum = CORE_EXPIRES_SECONDS_MAX},
    {.name = "waitingMax", .kind = KIND_NUMBER, .minimum = 0, .maximum = 100000},
    {0},
};

static const struct key limit_keys[] = {
    {.name = "connections", .kind = KIND_NUMBER, .minimum = 1, .maximum = 100000},
    {.name = "connectionsPerUid", .kind = KIND_NUMBER, .minimum = 1, .maximum = 100000},
    {.name = "connectionsPerLease", .kind = KIND_NUMBER, .minimum = 1, .maximum = 100000},
    {.name = "leaseSockets", .kind = KIND_NUMBER, .minimum = 0, .maximum = CORE_LEASES_MAX},
    {.name = "adminConnections", .kind = KIND_NUMBER, .minimum = 1, .maximum = 10000},
    {.name = "monitors", .kind = KIND_NUMBER, .minimum = 0, .maximum = 10000},
    {.name = "monitorsPerUid", .kind = KIND_NUMBER, .minimum = 0, .maximum = 10000},
    {0},
};

static const struct key relay_keys[] = {
    {.name = "cores", .kind = KIND_LIST, .element = KIND_NUMBER, .minimum = 0, .maximum = 1023},
    {0},
};

static const struct key top_keys[] = {
    {.name = "adminGroup", .kind = KIND_ACCOUNT},
    {.name = "tenantSocket", .kind = KIND_SOCKET},
    {.name = "adminSocket", .kind = KIND_SOCKET},
    {.name = "containerDirectory", .kind = KIND_PATH},
    {.name = "containerLibrary", .kind = KIND_PATH},
    {.name = "logLevel", .kind = KIND_LEVEL},
    {.name = "backend", .kind = KIND_BACKEND},
    {.name = "modelSpecification", .kind = KIND_PATH},
    {.name = "retrySeconds", .kind = KIND_NUMBER, .minimum = 1, .maximum = 3600},
    {.name = "waitMillisecondsMax", .kind = KIND_NUMBER, .minimum = 0, .maximum = 86400000},
    {.name = "limits", .kind = KIND_OBJECT, .members = limit_keys},
    {.name = "relay", .kind = KIND_OBJECT, .members = relay_keys},
    {.name = "devices", .kind = KIND_NAMED, .members = device_keys},
    {.name = "tenants", .kind = KIND_NAMED, .members = tenant_keys},
    {0},
};

struct check {
    const struct config_files file; /* the one under check, so that errors name it and no other */
    struct config_error *error;
};

static const struct key *find_key(const struct key *keys, const char *name)
{
    for (; keys->name; keys++) {
        if (strcmp(keys->name, name) == 0)
            return keys;
    }
    return NULL;
}

bool config_bytes(json_object *value, uint64_t *ret_bytes)
{
    if (json_object_is_type(value, json_type_int)) {
        int64_t number = json_object_get_int64(value);
        if (number < 0)
            return false;
        *ret_bytes = (uint64_t)number;
        return true;
    }
    if (!json_object_is_type(value, json_type_string))
        return false;
    const char *text = json_object_get_string(value), *units = "KMGT", *unit;
    char *end;
    if (!isdigit((unsigned char)text[0]))
        return false;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    unsigned shift = 0;
    if (*end && (unit = strchr(units, *end))) {
        shift = 10 * (unsigned)(unit - units + 1);
        end++;
    }
    if (errno || *end || number > (UINT64_MAX >> shift))
        return false;
    *ret_bytes = (uint64_t)number << shift;
    return true;
}

static bool is_name(const char *text)
{
    size_t length = strlen(text);
    return length >= 1 && length < 32 && isalpha((unsigned char)text[0]) &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == length;
}

static bool is_address(const char *text)
{
    static const char form[] = "xxxx:xx:xx.o";
    for (size_t i = 0; i < sizeof form; i++) {
        bool fits = form[i] == 'x'   ? isxdigit((unsigned char)text[i]) && !isupper((unsigned char)text[i])
                    : form[i] == 'o' ? text[i] >= '0' && text[i] <= '7'
                                     : text[i] == form[i];
        if (!fits)
            return false;
    }
    return true;
}

static bool is_level(const char *text)
{
    static const char *const levels[] = {"err", "warning", "notice", "info", "debug"};
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        if (strcmp(levels[i], text) == 0)
            return true;
    }
    return false;
}

/* What a string of this kind should have been, or NULL when it is that. */
static const char *text_defect(const struct key *key, enum kind kind, json_object *value)
{
    const char *text = json_object_get_string(value);
    int64_t length = json_object_get_string_len(value);
    if (strlen(text) != (size_t)length)
        return "must not hold a NUL character";
    switch (kind) {
    case KIND_NAME:
        return is_name(text) ? NULL
                             : "must be a name: a letter, then up to 30 letters, digits, '_', '.', '-'";
    case KIND_ADDRESS: return is_address(text) ? NULL : "must be a PCI address like 0000:01:00.0";
    case KIND_SOCKET:
        return text[0] == '/' && length < 108 ? NULL : "must be an absolute path under 108 bytes";
    case KIND_PATH: return text[0] == '/' ? NULL : "must be an absolute path";
    case KIND_BACKEND:
        return strcmp(text, "linux") == 0 || strcmp(text, "model") == 0 ? NULL : "must be linux or model";
    case KIND_DELEGATION:
        return strcmp(text, "direct") == 0 || strcmp(text, "relayed") == 0 ? NULL
                                                                           : "must be direct or relayed";
    case KIND_SCRUB:
        return strcmp(text, "none") == 0 || strcmp(text, "writeZeroes") == 0 ? NULL
                                                                             : "must be none or writeZeroes";
    case KIND_LEVEL: return is_level(text) ? NULL : "must be err, warning, notice, info or debug";
    case KIND_ACCOUNT: return length > 0 ? NULL : "must not be empty";
    default: return length >= key->minimum && length <= key->maximum ? NULL : "must have 1 to 20 characters";
    }
}

static int check_text(struct check *check, const struct key *key, enum kind kind, json_object *value,
                      const struct config_place *place)
{
    if (!json_object_is_type(value, json_type_string))
        return config_fail(&check->file, place, check->error, "must be a string");
    const char *defect = text_defect(key, kind, value);
    return defect ? config_fail(&check->file, place, check->error, "%s", defect) : 0;
}

static int check_number(struct check *check, const struct key *key, json_object *value,
                        const struct config_place *place)
{
    if (!json_object_is_type(value, json_type_int))
        return config_fail(&check->file, place, check->error, "must be an integer");
    int64_t number = json_object_get_int64(value);
    if (number < key->minimum || number > key->maximum)
        return config_fail(&check->file, place, check->error, "must be %" PRId64 " to %" PRId64, key->minimum,
                           key->maximum);
    return 0;
}

static int check_bytes(struct check *check, const struct key *key, json_object *value,
                       const struct config_place *place)
{
    uint64_t bytes;
    if (!config_bytes(value, &bytes))
        return config_fail(&check->file, place, check->error,
                           "must be a size: an integer, or a string like \"64M\" (K, M, G or T)");
    if (bytes > (uint64_t)key->maximum)
        return config_fail(&check->file, place, check->error, "must be at most %" PRId64 " bytes",
                           key->maximum);
    return 0;
}

static int check_account(struct check *check, const struct key *key, json_object *value,
                         const struct config_place *place)
{
    if (json_object_is_type(value, json_type_string))
        return check_text(check, key, KIND_ACCOUNT, value, place);
    /* (uid_t)-1 means "none" to the kernel. */
    if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0 ||
        json_object_get_int64(value) >= UINT32_MAX)
        return config_fail(&check->file, place, check->error, "must be a name or an id from 0 to 4294967294");
    return 0;
}

static int check_object(struct check *check, const struct key *keys, json_object *object,
                        const struct config_place *place);

static int check_scalar(struct check *check, const struct key *key, enum kind kind, json_object *value,
                        const struct config_place *place)
{
    switch (kind) {
    case KIND_FLAG:
        if (!json_object_is_type(value, json_type_boolean))
            return config_fail(&check->file, place, check->error, "must be true or false");
        return 0;
    case KIND_NUMBER: return check_number(check, key, value, place);
    case KIND_BYTES: return check_bytes(check, key, value, place);
    case KIND_ACCOUNT: return check_account(check, key, value, place);
    default: return check_text(check, key, kind, value, place);
    }
}

/* An element of a named list: its name must be there, and there once. */
static int check_named(struct check *check, json_object *array, size_t index,
                       const struct config_place *place)
{
    json_object *element = json_object_array_get_idx(array, index), *name, *other;
    if (!json_object_object_get_ex(element, "name", &name))
        return config_fail(&check->file, place, check->error, "must have a name");
    struct config_place at = config_place_key(*place, "name");
    int r = check_text(check, NULL, KIND_NAME, name, &at);
    for (size_t i = 0; r == 0 && i < index; i++) {
        json_object_object_get_ex(json_object_array_get_idx(array, i), "name", &other);
        if (json_object_equal(name, other))
            r = config_fail(&check->file, &at, check->error, "\"%s\" is there twice",
                            json_object_get_string(name));
    }
    return r;
}

static int check_list(struct check *check, const struct key *key, json_object *array,
                      const struct config_place *place)
{
    if (!json_object_is_type(array, json_type_array))
        return config_fail(&check->file, place, check->error, "must be a list");
    int r = 0;
    for (size_t i = 0; r == 0 && i < json_object_array_length(array); i++) {
        json_object *element = json_object_array_get_idx(array, i);
        struct config_place at = config_place_index(*place, i);
        if (key->kind == KIND_LIST) {
            r = check_scalar(check, key, key->element, element, &at);
            continue;
        }
        if (!json_object_is_type(element, json_type_object))
            return config_fail(&check->file, &at, check->error, "must be an object");
        if (key->kind == KIND_NAMED && (r = check_named(check, array, i, &at)) == 0) {
            json_object *name;
            json_object_object_get_ex(element, "name", &name);
            at = config_place_name(*place, json_object_get_string(name));
        }
        if (r == 0)
            r = check_object(check, key->members, element, &at);
    }
    return r;
}

static int check_object(struct check *check, const struct key *keys, json_object *object,
                        const struct config_place *place)
{
    json_object_object_foreach (object, name, value) {
        struct config_place at = config_place_key(*place, name);
        const struct key *key = find_key(keys, name);
        int r;
        if (!key)
            return config_fail(&check->file, &at, check->error, "unknown key");
        if (key->kind == KIND_OBJECT) {
            if (!json_object_is_type(value, json_type_object))
                return config_fail(&check->file, &at, check->error, "must be an object");
            r = check_object(check, key->members, value, &at);
        } else if (key->kind == KIND_LIST || key->kind == KIND_NAMED || key->kind == KIND_RECORDS) {
            r = check_list(check, key, value, &at);
        } else {
            r = check_scalar(check, key, key->kind, value, &at);
        }
        if (r < 0)
            return r;
    }
    return 0;
}

int config_schema_check(const struct config_files *files, size_t index, struct config_error *ret_error)
{
    struct check check = {.file = {.list = &files->list[index], .count = 1}, .error = ret_error};
    struct config_place top = {0};
    return check_object(&check, top_keys, files->list[index].root, &top);
}

/* ---- merging ---- */

static int put_copy(json_object *into, const char *name, json_object *value)
{
    json_object *copy = NULL;
    if (json_object_deep_copy(value, &copy, NULL) < 0)
        return -ENOMEM;
    if (json_object_object_add(into, name, copy) < 0) {
        json_object_put(copy);
        return -ENOMEM;
    }
    return 0;
}

static json_object *find_named(json_object *array, json_object *name)
{
    for (size_t i = 0; i < json_object_array_length(array); i++) {
        json_object *element = json_object_array_get_idx(array, i), *other;
        if (json_object_object_get_ex(element, "name", &other) && json_object_equal(name, other))
            return element;
    }
    return NULL;
}

static int merge_object(const struct key *keys, json_object *into, json_object *from);

static int merge_named(const struct key *members, json_object *into, json_object *from)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < json_object_array_length(from); i++) {
        json_object *element = json_object_array_get_idx(from, i), *name, *copy = NULL;
        json_object_object_get_ex(element, "name", &name);
        json_object *same = find_named(into, name);
        if (same)
            r = merge_object(members, same, element);
        else if (json_object_deep_copy(element, &copy, NULL) < 0 || json_object_array_add(into, copy) < 0)
            r = -ENOMEM;
    }
    return r;
}

static int merge_object(const struct key *keys, json_object *into, json_object *from)
{
    int r = 0;
    json_object_object_foreach (from, name, value) {
        const struct key *key = find_key(keys, name);
        json_object *old;
        if (!json_object_object_get_ex(into, name, &old))
            r = put_copy(into, name, value);
        else if (key->kind == KIND_OBJECT)
            r = merge_object(key->members, old, value);
        else if (key->kind == KIND_NAMED)
            r = merge_named(key->members, old, value);
        else
            r = put_copy(into, name, value);
        if (r < 0)
            break;
    }
    return r;
}

int config_schema_merge(json_object *into, json_object *from)
{
    return merge_object(top_keys, into, from);
}
