"""The dialect `platform`: the documented Genesys Cloud API.

Source: the vendor's official SDK, PureCloudPlatformClientV2 269.0.0, and the API's published permissions.
"""
