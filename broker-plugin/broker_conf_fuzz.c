#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "broker-plugin/broker_conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ph_findings findings;
    struct ph_error error = {0};
    const char *file = NULL;
    findings = (struct ph_findings){.count = 0};
    if (ph_broker_conf_check_text("m.conf", data, size, &findings, &error) != PH_OK &&
        error.message[0] == '\0') {
        abort();
    }
    ph_broker_command_line_check((const char *)data, size, &file, &findings);
    for (size_t i = 0; i < findings.count; i++) {
        if (strchr(findings.text[i], '\n') != NULL || findings.text[i][0] == '\0') {
            abort();
        }
    }
    return 0;
}
