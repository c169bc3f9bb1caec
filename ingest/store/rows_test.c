/* ph.store.rows: what kind of cell a field is shown in. */
#include "ingest/store/rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "domain/kind.h"

static enum ph_cell_type cell_of(enum ph_field_type type)
{
    return ph_cell_type_of(ph_field_type_name(type));
}

static void types_have_their_cells(void **state)
{
    (void)state;
    assert_int_equal(cell_of(PH_FIELD_NUMBER), PH_CELL_REAL);
    assert_int_equal(cell_of(PH_FIELD_INTEGER), PH_CELL_INTEGER);
    assert_int_equal(cell_of(PH_FIELD_BOOLEAN), PH_CELL_BOOL);
    assert_int_equal(cell_of(PH_FIELD_TEXT), PH_CELL_TEXT);
    assert_int_equal(cell_of(PH_FIELD_ENUM), PH_CELL_TEXT);
}

/* A store may have been written by a later version. */
static void unknown_types_are_text(void **state)
{
    (void)state;
    assert_int_equal(ph_cell_type_of(""), PH_CELL_TEXT);
    assert_int_equal(ph_cell_type_of("vector"), PH_CELL_TEXT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_have_their_cells),
        cmocka_unit_test(unknown_types_are_text),
    };
    return cmocka_run_group_tests_name("ph.store.rows", tests, NULL, NULL);
}
