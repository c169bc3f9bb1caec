#include "ingest/store/rows.h"

#include <string.h>

#include "domain/kind.h"

enum ph_cell_type ph_cell_type_of(const char *field_type)
{
    static const enum ph_cell_type types[] = {
        [PH_FIELD_NUMBER] = PH_CELL_REAL,
        [PH_FIELD_INTEGER] = PH_CELL_INTEGER,
        [PH_FIELD_BOOLEAN] = PH_CELL_BOOL,
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(field_type, ph_field_type_name((enum ph_field_type)i)) == 0) {
            return types[i];
        }
    }
    return PH_CELL_TEXT;
}
