/* Names and what they stand for, written once: a list is a macro that hands each of its rows to
 * another macro.
 *
 *   #define COLOURS(ROW) ROW(COLOUR_RED, "red") ROW(COLOUR_BLUE, "blue")
 *   enum colour { COLOURS(NAME_VALUE) };
 *   static const char *const colour_names[] = {COLOURS(NAME_TEXT) NULL};
 *
 * so an enumerator is always the place of its name.  Where a function or a struct goes by the name
 * (strategy_NAME), rows begin with the bare word, whose text is NAME_WORD. */
#ifndef GSOS_NAME_LIST_H
#define GSOS_NAME_LIST_H

#define NAME_VALUE(value, text) value,
#define NAME_TEXT(value, text) text,
#define NAME_WORD(name, ...) #name,

#endif
