/* User properties as ingest sees them: names and values in turn, one a line. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/provenance.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static const char *next_line(char **rest)
{
    const char *line = strsep(rest, "\n");
    return line != NULL ? line : "";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct ph_identity topic = {
        .tenant = "acme", .kind = "thermostat", .device = "t1"};
    struct ph_mqtt_property properties[PH_MQTT_PROPERTIES_MAX] = {0};
    struct ph_provenance provenance;
    size_t count = 0;
    char *text = strndup(size > 0 ? (const char *)data : "", size);
    require(text != NULL);
    char *rest = text;
    while (rest != NULL && count < PH_MQTT_PROPERTIES_MAX) {
        properties[count].name = next_line(&rest);
        properties[count++].value = next_line(&rest);
    }
    ph_provenance_read(properties, count, rest != NULL, &topic, &provenance);
    if (provenance.state == PH_PROVENANCE_VOUCHED) {
        require(rest == NULL && ph_provenance_reason(provenance.state) == NULL);
        require(strlen(provenance.fingerprint) == PH_FINGERPRINT_BYTES - 1);
        require(ph_segment_valid(provenance.anchor, strlen(provenance.anchor)));
    } else {
        require(provenance.fingerprint[0] == '\0' && provenance.anchor[0] == '\0');
        require(ph_provenance_reason(provenance.state) != NULL);
    }
    free(text);
    return 0;
}
