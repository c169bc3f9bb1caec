#include "config/yaml.h"

#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cyaml/cyaml.h>

#include "base/buf.h"
#include "base/credential.h"
#include "base/file.h"
#include "base/limits.h"
#include "config/yaml_check.h"

/* What libcyaml said first; the lines after it are its backtrace. */
struct said {
    char text[256];
};

static void hear(cyaml_log_t level, void *context, const char *format, va_list args)
    PH_PRINTF(3, 0);

static void hear(cyaml_log_t level, void *context, const char *format, va_list args)
{
    struct said *said = context;
    if (level >= CYAML_LOG_ERROR && said->text[0] == '\0') {
        (void)vsnprintf(said->text, sizeof said->text, format, args);
        said->text[strcspn(said->text, "\n")] = '\0';
    }
}

static cyaml_config_t make_config(struct said *said)
{
    return (cyaml_config_t){
        .log_fn = hear,
        .log_ctx = said,
        .log_level = CYAML_LOG_ERROR,
        .mem_fn = cyaml_mem,
        .flags = (cyaml_cfg_flags_t)(CYAML_CFG_NO_ALIAS | CYAML_CFG_STYLE_BLOCK),
    };
}

static enum ph_err failed(
    const char *name, cyaml_err_t result, const struct said *said, struct ph_error *error)
{
    const char *prefix = "Load: ";
    const char *text = said->text[0] != '\0' ? said->text : cyaml_strerror(result);
    if (strncmp(text, prefix, strlen(prefix)) == 0) {
        text += strlen(prefix);
    }
    return ph_error_set(
        error, result == CYAML_ERR_OOM ? PH_ERR_MEMORY : PH_ERR_CONFIG, "%s: %s", name, text);
}

enum ph_err ph_yaml_parse(const char *name, const void *bytes, size_t len,
    const struct cyaml_schema_value *schema, void **out, struct ph_error *error)
{
    enum ph_err err = ph_yaml_check(name, bytes, len, schema, error);
    if (err != PH_OK) {
        return err;
    }
    struct said said = {.text = ""};
    cyaml_config_t config = make_config(&said);
    void *data = NULL;
    cyaml_err_t result = cyaml_load_data(bytes, len, &config, schema, &data, NULL);
    if (result != CYAML_OK) {
        return failed(name, result, &said, error);
    }
    if (data == NULL) { /* every key is optional and none was given */
        data = calloc(1, schema->data_size);
    }
    if (data == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", name);
    }
    *out = data;
    return PH_OK;
}

enum ph_err ph_yaml_load(
    const char *path, const struct cyaml_schema_value *schema, void **out, struct ph_error *error)
{
    struct ph_buf text;
    ph_buf_init(&text, PH_LIMIT_CONFIG_BYTES);
    enum ph_err err = ph_file_load(path, &text, error);
    if (err == PH_OK) {
        err = ph_yaml_parse(path, text.data != NULL ? text.data : "", text.len, schema, out, error);
    }
    ph_buf_fini(&text);
    return err;
}

enum ph_err ph_yaml_print(
    FILE *out, const struct cyaml_schema_value *schema, const void *data, struct ph_error *error)
{
    struct said said = {.text = ""};
    cyaml_config_t config = make_config(&said);
    char *text = NULL;
    size_t len = 0;
    cyaml_err_t result = cyaml_save_data(&text, &len, &config, schema, data, 0);
    if (result != CYAML_OK) {
        return ph_error_set(error, PH_ERR_INTERNAL, "configuration: cannot be printed: %s",
            said.text[0] != '\0' ? said.text : cyaml_strerror(result));
    }
    enum ph_err err = PH_OK;
    if (fwrite(text, 1, len, out) != len || fflush(out) != 0) {
        err = ph_error_set(error, PH_ERR_IO, "configuration: cannot be printed: write failed");
    }
    free(text);
    return err;
}

void ph_yaml_free(const struct cyaml_schema_value *schema, void **data)
{
    struct said said = {.text = ""};
    cyaml_config_t config = make_config(&said);
    if (data != NULL && *data != NULL) {
        (void)cyaml_free(&config, schema, *data, 0);
        *data = NULL;
    }
}

enum ph_err ph_yaml_put(char **text, const char *with, struct ph_error *error)
{
    char *copy = strdup(with);
    if (copy == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "configuration: out of memory");
    }
    free(*text);
    *text = copy;
    return PH_OK;
}

enum ph_err ph_yaml_put_path(char **text, const char *dir, const char *name, struct ph_error *error)
{
    char joined[PATH_MAX];
    char full[PATH_MAX];
    enum ph_err err = name != NULL ? ph_path_join(joined, sizeof joined, dir, name, error) : PH_OK;
    if (err == PH_OK) {
        err = ph_path_absolute(full, sizeof full, name != NULL ? joined : dir, error);
    }
    return err == PH_OK ? ph_yaml_put(text, full, error) : err;
}

enum ph_err ph_yaml_resolve(char **text, const char *config_path, struct ph_error *error)
{
    char full[PATH_MAX];
    enum ph_err err = ph_path_resolve(full, sizeof full, config_path, *text, error);
    return err == PH_OK ? ph_yaml_put(text, full, error) : err;
}

enum ph_err ph_yaml_resolve_credential(
    char **text, const char *name, const char *config_path, struct ph_error *error)
{
    char path[PATH_MAX];
    return ph_credential_find(path, sizeof path, name) ? ph_yaml_put(text, path, error)
                                                       : ph_yaml_resolve(text, config_path, error);
}
