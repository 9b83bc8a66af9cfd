#pragma once
#include <stdarg.h>

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

// text.c: what kernel and programs need of a C library
typedef void put_character(void *to, char c);
void format(put_character *put, void *to, const char *text, va_list arguments);
void *memset(void *to, int value, u64 length);
void *memcpy(void *to, const void *from, u64 length);
int memcmp(const void *a, const void *b, u64 length);
u64 string_length(const char *text);
int strings_equal(const char *a, const char *b);
