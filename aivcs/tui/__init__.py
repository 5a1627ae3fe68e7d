"""The terminal browser: `aivcs browse` and `release history -i`. It reads, and changes nothing.

    row        a line of a page: texts with their styles, and the page that it opens
    listing    the lines of a page, read only as far as they are shown
    run_log    the same for the log of a run, from its beginning, its end, or anywhere
    screen     draws a listing with Textual, and moves the cursor
    bars       the first and the last line
    prompt     the line in which the reader types
    opened     a page on the stack
    app        the stack of pages, the keys, and the reading in the background
    browse     the whole as a function
    pages/     what each page shows and what its keys do; they know nothing of Textual

Recorded text reaches the terminal through one function, `row.visible_spans`, which spells out every
character that a terminal would obey or not show. Nothing recorded is read as markup.
"""
