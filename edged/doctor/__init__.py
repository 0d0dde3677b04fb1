"""`edged doctor`: examines the board, the configuration and what they connect to.

Each module looks at one part and yields findings; `examination` calls them in order. Nothing is
changed: no pin is driven, and a camera is opened only where no daemon has it.
"""
