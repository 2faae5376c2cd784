"""Our speed beside that of what people use today. `repro bench` runs these modules; each has one function,
`bench(device) -> list[Row]`, and says in its docstring what it measures. SLOW = True: only when asked for by name.
"""
