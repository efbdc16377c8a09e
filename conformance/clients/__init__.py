"""The engines that call a runtime, each doing its ordinary work on ocipy and, as the control, on runc.

    case.py     a case: a shell script and what it must print; a list of them is a TOML file
    engine.py   what an engine is: how to start it on private directories, what it runs, what it must do
    place.py    where one engine runs with one runtime: directories, daemons, scripts
    inside.py   in the sandbox: start the engine, run its cases one after the other
    main.py     outside: a sandbox for each runtime, the comparison with recorded.tsv
    page.py     the section of RESULTS.md

A new engine is a module with a subclass of Engine, a TOML file with its cases, and a line in engines.py.
"""
