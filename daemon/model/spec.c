/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/model/spec.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/model/nvme.h"

struct reader {
    struct spec_error *error;
    int failed;
};

/* An object under inspection. */
struct object {
    struct reader *reader;
    json_object *json;
    char place[96];
};

static const char defaults[] =
    "{\"devices\": [{\"serial\": \"HOMI-MODEL-0\", \"virtualFunctions\": 8, \"namespaces\": ["
    "{\"id\": 1, \"bytes\": \"64M\"}, {\"id\": 2, \"bytes\": \"64M\"}, {\"id\": 3, \"bytes\": \"64M\"}, "
    "{\"id\": 4, \"bytes\": \"64M\"}, {\"id\": 5, \"bytes\": \"1T\", \"backing\": \"null\"}]}]}";

static void refuse(const struct object *object, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Keeps the first defect. */
static void refuse(const struct object *object, const char *key, const char *format, ...)
{
    char what[128];
    va_list arguments;

    if (object->reader->failed)
        return;
    va_start(arguments, format);
    vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    snprintf(object->reader->error->text, sizeof(object->reader->error->text), "%s%s%s: %s", object->place,
             *object->place && *key ? "." : "", key, what);
    object->reader->failed = -EINVAL;
}

static json_object *find(const struct object *object, const char *key)
{
    json_object *value = NULL;

    json_object_object_get_ex(object->json, key, &value);
    return value;
}

/* After all keys were asked for: is there another? */
static void end(const struct object *object, const char *known)
{
    json_object_object_foreach (object->json, key, value) {
        char quoted[64];
        (void)value;
        snprintf(quoted, sizeof(quoted), " %s ", key);
        if (!strstr(known, quoted))
            refuse(object, key, "unknown key");
    }
}

static bool parse_size(const char *text, uint64_t *ret_number)
{
    const char *units = "KMGT", *unit;
    char *rest;

    if (!isdigit((unsigned char)text[0]))
        return false;
    errno = 0;
    unsigned long long number = strtoull(text, &rest, 10);
    unsigned shift = 0;
    if (*rest && (unit = strchr(units, *rest))) {
        shift = 10 * (unsigned)(unit - units + 1);
        rest++;
    }
    if (errno || *rest || number > UINT64_MAX >> shift)
        return false;
    *ret_number = (uint64_t)number << shift;
    return true;
}

/* An integer, or a string like "64M". */
static uint64_t number(struct object *object, const char *key, uint64_t minimum, uint64_t maximum,
                       uint64_t otherwise)
{
    json_object *value = find(object, key);
    uint64_t result = otherwise;

    if (!value)
        return otherwise;
    if (json_object_is_type(value, json_type_int) && json_object_get_int64(value) >= 0)
        result = (uint64_t)json_object_get_int64(value);
    else if (!json_object_is_type(value, json_type_string) ||
             !parse_size(json_object_get_string(value), &result)) {
        refuse(object, key, "must be a number, or a size like \"64M\"");
        return otherwise;
    }
    if (result < minimum || result > maximum)
        refuse(object, key, "must be %" PRIu64 " to %" PRIu64, minimum, maximum);
    return result;
}

static bool flag(struct object *object, const char *key, bool otherwise)
{
    json_object *value = find(object, key);

    if (value && !json_object_is_type(value, json_type_boolean))
        refuse(object, key, "must be true or false");
    return value ? json_object_get_boolean(value) : otherwise;
}

static const char *text(struct object *object, const char *key, size_t maximum, const char *otherwise)
{
    json_object *value = find(object, key);

    if (!value)
        return otherwise;
    const char *string = json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
    size_t length = strlen(string);
    if (length == 0 || length > maximum) {
        refuse(object, key, "must be a text of 1 to %zu characters", maximum);
        return otherwise;
    }
    return string;
}

/* The index of a word in a list that NULL ends. */
static unsigned choice(struct object *object, const char *key, const char *const *words)
{
    const char *word = text(object, key, 32, words[0]);

    for (unsigned i = 0; words[i]; i++) {
        if (strcmp(words[i], word) == 0)
            return i;
    }
    refuse(object, key, "\"%s\" is none of its values (\"%s\", ...)", word, words[0]);
    return 0;
}

static struct object member(struct object *parent, const char *key)
{
    struct object object = {.reader = parent->reader, .json = find(parent, key)};

    snprintf(object.place, sizeof(object.place), "%.60s%s%s", parent->place, *parent->place ? "." : "", key);
    if (object.json && !json_object_is_type(object.json, json_type_object)) {
        refuse(parent, key, "must be an object");
        object.json = NULL;
    }
    return object;
}

static size_t list_length(struct object *object, const char *key, size_t minimum, size_t maximum)
{
    json_object *value = find(object, key);

    if (value && !json_object_is_type(value, json_type_array)) {
        refuse(object, key, "must be a list");
        return 0;
    }
    size_t length = value ? json_object_array_length(value) : 0;
    if (length < minimum || length > maximum) {
        refuse(object, key, "must have %zu to %zu elements", minimum, maximum);
        return 0;
    }
    return length;
}

static struct object element(struct object *parent, const char *key, size_t index)
{
    struct object object = {.reader = parent->reader};
    json_object *list = NULL;

    json_object_object_get_ex(parent->json, key, &list);
    object.json = json_object_array_get_idx(list, index);
    snprintf(object.place, sizeof(object.place), "%.60s%s%s[%zu]", parent->place, *parent->place ? "." : "",
             key, index);
    if (!json_object_is_type(object.json, json_type_object)) {
        refuse(&object, "", "must be an object");
        object.json = NULL;
    }
    return object;
}

static void *allocate(struct object *object, size_t count, size_t bytes)
{
    void *memory = count ? calloc(count, bytes) : NULL;

    if (count && !memory && !object->reader->failed) {
        snprintf(object->reader->error->text, sizeof(object->reader->error->text), "out of memory");
        object->reader->failed = -ENOMEM;
    }
    return memory;
}

/* ---- what is read ---- */

static void read_resources(struct object *parent, const char *key, unsigned minimum, unsigned each,
                           unsigned functions, struct resources_spec *ret_resources)
{
    struct object object = member(parent, key);

    *ret_resources =
        (struct resources_spec){.total = each * functions, .per_function = each, .granularity = 1};
    if (!object.json)
        return;
    ret_resources->per_function = (unsigned)number(&object, "perFunction", minimum, 65535, each);
    uint64_t total = (uint64_t)ret_resources->per_function * functions;
    ret_resources->total = (unsigned)number(&object, "total", minimum, 65535, total < 65535 ? total : 65535);
    ret_resources->granularity = (unsigned)number(&object, "granularity", 1, 256, 1);
    end(&object, " perFunction total granularity ");
    if (ret_resources->per_function > ret_resources->total)
        refuse(&object, "perFunction", "must not be more than total");
    /* A number that was refused already may be 0. */
    if (ret_resources->granularity && ret_resources->per_function % ret_resources->granularity)
        refuse(&object, "granularity", "must divide perFunction");
}

static void read_namespace(struct object *object, struct namespace_spec *space)
{
    static const char *const backings[] = {"memory", "file", "null", NULL};

    if (!object->json)
        return;
    space->id = (uint32_t)number(object, "id", 1, SPEC_NAMESPACE_ID_MAX, 0);
    space->bytes = number(object, "bytes", 4096, UINT64_C(1) << 46, 0);
    uint64_t block = number(object, "blockBytes", 512, 4096, 512);
    space->block_shift = block == 4096 ? 12 : 9;
    space->backing = choice(object, "backing", backings);
    const char *path = text(object, "path", 4095, NULL);
    end(object, " id bytes blockBytes backing path ");
    if (space->id == 0)
        refuse(object, "id", "is missing");
    if (space->bytes == 0)
        refuse(object, "bytes", "is missing");
    if (block != 512 && block != 4096)
        refuse(object, "blockBytes", "must be 512 or 4096");
    if (space->bytes % 4096)
        refuse(object, "bytes", "must be a multiple of 4096");
    if ((space->backing == BACKING_FILE) != (path != NULL))
        refuse(object, "path", path ? "goes with backing \"file\" only" : "is missing");
    space->path = path ? strdup(path) : NULL;
    if (path && !space->path)
        object->reader->failed = -ENOMEM;
}

static void read_namespaces(struct object *object, struct device_spec *device)
{
    size_t count = list_length(object, "namespaces", 0, SPEC_NAMESPACES_MAX);

    device->namespaces = allocate(object, count, sizeof(*device->namespaces));
    for (size_t i = 0; device->namespaces && i < count; i++) {
        struct object entry = element(object, "namespaces", i);
        device->namespace_count = i + 1;
        read_namespace(&entry, &device->namespaces[i]);
        for (size_t k = 0; k < i; k++) {
            if (device->namespaces[k].id == device->namespaces[i].id)
                refuse(&entry, "id", "is taken by another namespace");
        }
    }
}

static int optional(struct object *object, const char *key, int maximum)
{
    json_object *value = NULL;

    if (!json_object_object_get_ex(object->json, key, &value))
        return FAULT_ANY;
    return (int)number(object, key, 0, (uint64_t)maximum, 0);
}

static const char *const fault_actions[] = {"delay", "drop",  "fail",   "corrupt", "fatal",
                                            "event", "reset", "remove", NULL};
static const char *const step_actions[] = {"reset", "remove", "fail", "hang", NULL};
static const char *const fault_steps[] = {"none",
                                          "probe",
                                          "setFunctions",
                                          "virtualizationManagement",
                                          "attachNamespace",
                                          "bind",
                                          "open",
                                          "ready",
                                          "map",
                                          "unmap",
                                          "release",
                                          NULL};

static void read_fault(struct object *object, struct fault_spec *fault)
{
    if (!object->json)
        return;
    fault->step = choice(object, "step", fault_steps);
    if (!find(object, "action"))
        refuse(object, "action", "is missing");
    else if (fault->step == STEP_NONE)
        fault->action = choice(object, "action", fault_actions);
    else
        fault->action = FAULT_RESET + choice(object, "action", step_actions);
    fault->function = optional(object, "virtualFunction", HW_FUNCTIONS_MAX - 1);
    fault->queue = optional(object, "queue", UINT16_MAX);
    fault->opcode = optional(object, "opcode", UINT8_MAX);
    fault->after = number(object, "after", 0, UINT32_MAX, 0);
    fault->count = number(object, "count", 0, UINT32_MAX, 0);
    fault->milliseconds = number(object, "milliseconds", 0, 3600000, 0);
    fault->status = (uint16_t)number(object, "status", 1, 0x7ff, fault->step ? EIO : 6);
    fault->event = (uint32_t)number(object, "event", 0, 0xffffff, 0);
    end(object, " step action virtualFunction queue opcode after count milliseconds status event ");
    if (fault->step && (fault->queue != FAULT_ANY || fault->opcode != FAULT_ANY))
        refuse(object, "step", "takes neither queue nor opcode");
    if (fault->action == FAULT_DELAY && fault->milliseconds == 0)
        refuse(object, "milliseconds", "is missing");
}

int spec_parse_fault(json_object *json, struct fault_spec *ret_fault, struct spec_error *ret_error)
{
    struct reader reader = {.error = ret_error};
    struct object object = {.reader = &reader, .json = json};
    struct fault_spec fault = {0};

    read_fault(&object, &fault);
    if (reader.failed == 0)
        *ret_fault = fault;
    return reader.failed;
}

static bool put(json_object *object, const char *key, json_object *value)
{
    if (value && json_object_object_add(object, key, value) == 0)
        return true;
    json_object_put(value);
    return false;
}

json_object *spec_describe_fault(const struct fault_spec *fault)
{
    const struct {
        const char *key;
        int64_t value, absent;
    } numbers[] = {
        {"virtualFunction", fault->function, FAULT_ANY},
        {"queue", fault->queue, FAULT_ANY},
        {"opcode", fault->opcode, FAULT_ANY},
        {"after", (int64_t)fault->after, 0},
        {"count", (int64_t)fault->count, 0},
        {"milliseconds", (int64_t)fault->milliseconds, 0},
        {"status",
         fault->action == FAULT_FAIL || fault->action == FAULT_STEP_FAIL ? (int64_t)fault->status : 0, 0},
        {"event", fault->event, 0},
    };
    json_object *rule = json_object_new_object();
    const char *action =
        fault->step ? step_actions[fault->action - FAULT_RESET] : fault_actions[fault->action];
    bool fine = rule && (!fault->step || put(rule, "step", json_object_new_string(fault_steps[fault->step])));

    fine = fine && put(rule, "action", json_object_new_string(action));
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (fine && numbers[i].value != numbers[i].absent)
            fine = put(rule, numbers[i].key, json_object_new_int64(numbers[i].value));
    }
    if (fine)
        return rule;
    json_object_put(rule);
    return NULL;
}

static void read_faults(struct object *object, struct device_spec *device)
{
    size_t count = list_length(object, "faults", 0, FAULTS_MAX);

    device->faults = allocate(object, count, sizeof(*device->faults));
    for (size_t i = 0; device->faults && i < count; i++) {
        struct object entry = element(object, "faults", i);
        read_fault(&entry, &device->faults[i]);
        device->fault_count = i + 1;
    }
}

static void read_format(struct object *parent, struct format_spec *format)
{
    struct object object = member(parent, "format");

    *format = (struct format_spec){.cryptographic = true};
    if (!object.json)
        return;
    format->all = flag(&object, "all", false);
    format->erase_all = flag(&object, "eraseAll", false);
    format->cryptographic = flag(&object, "cryptographicErase", true);
    format->no_wide = !flag(&object, "broadcast", true);
    end(&object, " all eraseAll cryptographicErase broadcast ");
}

static bool power_of_two(uint64_t value)
{
    return (value & (value - 1)) == 0;
}

static void read_device(struct object *object, struct device_spec *device)
{
    if (!object->json)
        return;
    const char *serial = text(object, "serial", 20, NULL);
    if (!serial)
        refuse(object, "serial", "is missing");
    snprintf(device->serial, sizeof(device->serial), "%s", serial ? serial : "");
    snprintf(device->model, sizeof(device->model), "%s", text(object, "model", 40, "HOMI software SSD"));
    device->functions = (unsigned)number(object, "virtualFunctions", 1, HW_FUNCTIONS_MAX, 8);
    device->virtualization = flag(object, "virtualizationManagement", true);
    device->vf_refuses = flag(object, "virtualFunctionsRefuse", true);
    device->lockdown = flag(object, "lockdown", false);
    read_format(object, &device->format);
    read_resources(object, "queues", 2, 9, device->functions, &device->queues);
    read_resources(object, "interrupts", 1, 9, device->functions, &device->interrupts);
    device->queue_entries_max = (uint32_t)number(object, "queueEntriesMax", 2, 65536, 4096);
    device->max_transfer_bytes =
        (uint32_t)number(object, "maxTransferBytes", PAGE_BYTES, SPEC_TRANSFER_MAX, 512 << 10);
    if (!power_of_two(device->max_transfer_bytes))
        refuse(object, "maxTransferBytes", "must be a power of two");
    uint64_t stride = number(object, "doorbellStrideBytes", 4, 4096, 4);
    if (!power_of_two(stride))
        refuse(object, "doorbellStrideBytes", "must be a power of two");
    device->doorbell_stride_shift = (unsigned)__builtin_ctzll(stride) - 2;
    device->timeout_halves = (unsigned)number(object, "timeoutMilliseconds", 500, 127500, 10000) / 500;
    read_namespaces(object, device);
    read_faults(object, device);
    end(object, " serial model virtualFunctions virtualizationManagement virtualFunctionsRefuse queues "
                "interrupts queueEntriesMax maxTransferBytes doorbellStrideBytes timeoutMilliseconds "
                "namespaces faults lockdown format ");
}

static void read_all(struct object *object, struct model_spec *spec)
{
    size_t count = list_length(object, "devices", 1, SPEC_DEVICES_MAX);

    spec->pollers = (unsigned)number(object, "pollers", 1, SPEC_POLLERS_MAX, 1);
    spec->devices = allocate(object, count, sizeof(*spec->devices));
    for (size_t i = 0; spec->devices && i < count; i++) {
        struct object entry = element(object, "devices", i);
        spec->device_count = i + 1;
        read_device(&entry, &spec->devices[i]);
        for (size_t k = 0; k < i; k++) {
            if (strcmp(spec->devices[k].serial, spec->devices[i].serial) == 0)
                refuse(&entry, "serial", "is taken by another device");
        }
    }
    end(object, " devices pollers ");
}

static int load(const char *source, json_object **ret_json, struct spec_error *error)
{
    enum json_tokener_error defect = json_tokener_success;
    json_object *json;

    if (!*source)
        source = defaults;
    if (*source != '{' && !isspace((unsigned char)*source)) {
        json = json_object_from_file(source);
        if (!json) {
            snprintf(error->text, sizeof(error->text), "%.100s: %.100s", source, json_util_get_last_err());
            return -EINVAL;
        }
    } else {
        json = json_tokener_parse_verbose(source, &defect);
        if (!json) {
            snprintf(error->text, sizeof(error->text), "no JSON: %s", json_tokener_error_desc(defect));
            return -EINVAL;
        }
    }
    if (!json_object_is_type(json, json_type_object)) {
        json_object_put(json);
        snprintf(error->text, sizeof(error->text), "must be an object");
        return -EINVAL;
    }
    *ret_json = json;
    return 0;
}

/* FNV-1a. */
static uint64_t digest(json_object *json)
{
    uint64_t value = UINT64_C(0xcbf29ce484222325);

    for (const char *at = json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN); *at; at++)
        value = (value ^ (uint8_t)*at) * UINT64_C(0x100000001b3);
    return value;
}

int spec_parse(const char *source, struct model_spec **ret_spec, struct spec_error *ret_error)
{
    struct reader reader = {.error = ret_error};
    struct object top = {.reader = &reader};
    struct model_spec *spec;

    int r = load(source, &top.json, ret_error);
    if (r < 0)
        return r;
    spec = calloc(1, sizeof(*spec));
    if (spec) {
        spec->digest = digest(top.json);
        read_all(&top, spec);
    }
    json_object_put(top.json);
    if (!spec)
        return -ENOMEM;
    if (reader.failed) {
        spec_free(spec);
        return reader.failed;
    }
    *ret_spec = spec;
    return 0;
}

void spec_free(struct model_spec *spec)
{
    if (!spec)
        return;
    for (size_t i = 0; i < spec->device_count; i++) {
        struct device_spec *device = &spec->devices[i];
        for (size_t k = 0; k < device->namespace_count; k++)
            free(device->namespaces[k].path);
        free(device->namespaces);
        free(device->faults);
    }
    free(spec->devices);
    free(spec);
}
