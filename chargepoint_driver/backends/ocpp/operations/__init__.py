"""Operations on a charger: commands and settings, with the checks of their arguments.

`operations` has them by name, `arguments` checks what is given, `commands` sends them and reads the
answers, `charger_access` finds the charger.
"""
