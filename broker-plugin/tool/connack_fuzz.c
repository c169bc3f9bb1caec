/* Any bytes, given in any two pieces: no crash, nothing read beyond the end; what is asked for
 * never goes beyond the limit, and what the whole says does not depend on the pieces. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "broker-plugin/tool/mqtt_connect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

/* On the heap and exact, so that a sanitizer sees a byte too many. */
static enum ph_err parse(const uint8_t *data, size_t size, size_t *missing, struct ph_connack *out)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    require(copy != NULL);
    if (size > 0) {
        memcpy(copy, data, size);
    }
    enum ph_err err = ph_connack_parse(copy, size, missing, out, NULL);
    free(copy);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ph_connack whole;
    struct ph_connack part;
    size_t missing = 0;
    size_t of_part = 0;
    enum ph_err err = parse(data, size, &missing, &whole);
    require(err != PH_OK || size + missing <= PH_LIMIT_CONNACK_BYTES || missing == 0);
    if (err == PH_OK && missing == 0) {
        require(ph_connack_code_name(whole.code) != NULL);
        require(ph_text_clean(whole.reason, strlen(whole.reason)));
        require(ph_text_clean(whole.other, strlen(whole.other)));
        require(parse(data, size / 2, &of_part, &part) == PH_OK);
        require(of_part <= size - size / 2 || memcmp(&part, &whole, sizeof whole) == 0);
    }
    return 0;
}
