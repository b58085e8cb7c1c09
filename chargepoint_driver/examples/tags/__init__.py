"""Tags of VOLTTRON's tagging service for the topics of this driver."""
