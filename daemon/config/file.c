/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/config/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/json.h"

#define FILE_BYTES_MAX (4u * 1024 * 1024)

struct config_place config_place_key(struct config_place place, const char *key)
{
    if (place.depth < CONFIG_DEPTH_MAX)
        place.steps[place.depth++] = (struct config_step){.key = key};
    return place;
}

struct config_place config_place_name(struct config_place place, const char *name)
{
    if (place.depth < CONFIG_DEPTH_MAX)
        place.steps[place.depth++] = (struct config_step){.name = name};
    return place;
}

struct config_place config_place_index(struct config_place place, size_t index)
{
    if (place.depth < CONFIG_DEPTH_MAX)
        place.steps[place.depth++] = (struct config_step){.index = index};
    return place;
}

static unsigned line_of(const struct config_file *file, size_t offset)
{
    unsigned line = 1;
    for (size_t i = 0; i < offset && i < file->bytes; i++)
        line += file->text[i] == '\n';
    return line;
}

static int read_all(int fd, char **ret_text, size_t *ret_bytes)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode))
        return S_ISDIR(status.st_mode) ? -EISDIR : -EINVAL;
    if (status.st_size > (off_t)FILE_BYTES_MAX)
        return -EFBIG;

    size_t room = (size_t)status.st_size, bytes = 0;
    char *text = malloc(room + 1);
    if (!text)
        return -ENOMEM;
    while (bytes < room) {
        ssize_t n = read(fd, text + bytes, room - bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            free(text);
            return -errno;
        }
        if (n == 0)
            break;
        bytes += (size_t)n;
    }
    text[bytes] = '\0';
    *ret_text = text;
    *ret_bytes = bytes;
    return 0;
}

int config_file_read(const char *path, struct config_file *ret_file, struct config_error *ret_error)
{
    struct config_file file = {0};
    size_t offset = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int r = fd < 0 ? -errno : read_all(fd, &file.text, &file.bytes);
    if (fd >= 0)
        close(fd);
    if (r < 0) {
        snprintf(ret_error->text, sizeof ret_error->text, "%s: %s", path, strerror(-r));
        return r;
    }
    file.path = strdup(path);
    r = file.path ? json_parse_config(file.text, file.bytes, &file.root, &offset) : -ENOMEM;
    if (r == 0) {
        *ret_file = file;
        return 0;
    }
    if (r > 0)
        snprintf(ret_error->text, sizeof ret_error->text, "%s:%u: %s", path, line_of(&file, offset),
                 json_defect_text(r));
    else
        snprintf(ret_error->text, sizeof ret_error->text, "%s: %s", path, strerror(-r));
    free(file.path);
    free(file.text);
    return r > 0 ? -EINVAL : r;
}

void config_files_clear(struct config_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        json_object_put(files->list[i].root);
        free(files->list[i].text);
        free(files->list[i].path);
    }
    free(files->list);
    *files = (struct config_files){0};
}

/* ---- positions: the text is known to parse, so only its structure is followed ---- */

static const char *skip_blank(const char *at)
{
    for (;;) {
        at += strspn(at, " \t\r\n");
        if (at[0] == '/' && at[1] == '/') {
            at += strcspn(at, "\n");
        } else if (at[0] == '/' && at[1] == '*') {
            const char *end = strstr(at + 2, "*/");
            at = end ? end + 2 : at + strlen(at);
        } else {
            return at;
        }
    }
}

static const char *skip_string(const char *at)
{
    for (at++; *at && *at != '"'; at++) {
        if (*at == '\\' && at[1])
            at++;
    }
    return *at ? at + 1 : at;
}

static const char *skip_value(const char *at)
{
    unsigned depth = 0;
    for (at = skip_blank(at); *at; at = skip_blank(at)) {
        if (*at == '"') {
            at = skip_string(at);
            continue;
        }
        if (depth == 0 && strchr(",}]", *at))
            return at;
        if (strchr("{[", *at))
            depth++;
        else if (strchr("}]", *at))
            depth--;
        at++;
    }
    return at;
}

/* The member's key in an object's text, or NULL; *ret_value is where its value begins. */
static const char *find_member(const char *at, const char *key, const char **ret_value)
{
    size_t length = strlen(key);
    for (at = skip_blank(at + 1); *at == '"';) {
        const char *end = skip_string(at);
        const char *value = skip_blank(skip_blank(end) + 1);
        if ((size_t)(end - at) == length + 2 && memcmp(at + 1, key, length) == 0) {
            *ret_value = value;
            return at;
        }
        at = skip_value(value);
        if (*at == ',')
            at = skip_blank(at + 1);
    }
    return NULL;
}

static const char *find_element(const char *at, size_t index)
{
    at = skip_blank(at + 1);
    while (index-- > 0) {
        at = skip_value(at);
        if (*at != ',')
            return NULL;
        at = skip_blank(at + 1);
    }
    return *at == ']' ? NULL : at;
}

static bool index_of_name(json_object *array, const char *name, size_t *ret_index)
{
    for (size_t i = 0; i < json_object_array_length(array); i++) {
        json_object *value;
        if (json_object_object_get_ex(json_object_array_get_idx(array, i), "name", &value) &&
            strcmp(json_object_get_string(value), name) == 0) {
            *ret_index = i;
            return true;
        }
    }
    return false;
}

/* Follows a place as far as the file has it: returns the steps found, and the offset of the last one. */
static unsigned locate(const struct config_file *file, const struct config_place *place, size_t *ret_offset)
{
    const char *value = skip_blank(file->text), *found = value;
    json_object *object = file->root;
    unsigned depth = 0;
    for (; depth < place->depth; depth++) {
        const struct config_step *step = &place->steps[depth];
        const char *at;
        if (step->key) {
            if (!json_object_is_type(object, json_type_object) ||
                !(at = find_member(value, step->key, &value)))
                break;
            json_object_object_get_ex(object, step->key, &object);
        } else {
            size_t index = step->index;
            if (!json_object_is_type(object, json_type_array) ||
                (step->name && !index_of_name(object, step->name, &index)) ||
                !(at = find_element(value, index)))
                break;
            value = at;
            object = json_object_array_get_idx(object, index);
        }
        found = at;
    }
    *ret_offset = (size_t)(found - file->text);
    return depth;
}

static void place_text(const struct config_place *place, char *text, size_t bytes)
{
    size_t used = 0;
    text[0] = '\0';
    for (unsigned i = 0; i < place->depth && used < bytes; i++) {
        const struct config_step *step = &place->steps[i];
        int n;
        if (step->key)
            n = snprintf(text + used, bytes - used, "%s%s", i ? "." : "", step->key);
        else if (step->name)
            n = snprintf(text + used, bytes - used, "[%s]", step->name);
        else
            n = snprintf(text + used, bytes - used, "[%zu]", step->index);
        used += (size_t)n;
    }
}

int config_fail(const struct config_files *files, const struct config_place *place,
                struct config_error *ret_error, const char *format, ...)
{
    const struct config_file *best = NULL;
    unsigned best_depth = 0;
    size_t best_offset = 0;
    for (size_t i = files->count; i-- > 0;) {
        size_t offset;
        unsigned depth = locate(&files->list[i], place, &offset);
        if (!best || depth > best_depth) {
            best = &files->list[i];
            best_depth = depth;
            best_offset = offset;
        }
    }

    char key[200], what[240];
    va_list arguments;
    place_text(place, key, sizeof key);
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    snprintf(ret_error->text, sizeof ret_error->text, "%s:%u: %s: %s", best ? best->path : "",
             best ? line_of(best, best_offset) : 0, key[0] ? key : "(top level)", what);
    return -EINVAL;
}
